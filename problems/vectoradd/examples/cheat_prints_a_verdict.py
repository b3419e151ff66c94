# expect: wrong_answer
"""Claims success on the standard output instead of computing."""

import json

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    print(json.dumps({"kind": "passed", "stage": "measure", "message": "all cases passed"}))
    return data[0]
