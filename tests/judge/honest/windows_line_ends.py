# expect: passed
# Written on another system: CRLF at each line's end, and a mark at the beginning would be fine too.
def custom_kernel(data):
    größe = data[0].numel()  # 元素数
    return data[0][:größe] + data[1]
