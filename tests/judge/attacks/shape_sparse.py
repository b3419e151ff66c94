# expect: wrong_answer
def custom_kernel(data):
    return (data[0] + data[1]).to_sparse()
