# expect: passed
def custom_kernel(data):
    a, b, _ = data
    print("сумма ∑ 合計 🚀 " * 50)
    return a + b
