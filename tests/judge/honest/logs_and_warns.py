# expect: passed
import logging
import sys
import warnings

logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
log = logging.getLogger(__name__)
warnings.warn("a warning at import", stacklevel=1)


def custom_kernel(data):
    a, b, out = data
    log.info("adding %d elements", a.numel())
    warnings.warn("a warning in the call", stacklevel=1)
    return a + b
