# expect: crashed
# Control sequences, mentions, a closing code fence and text that runs backwards, for whoever shows it.
def custom_kernel(data):
    raise ValueError("\x1b[2J\x1b]0;owned\x07 @everyone <@&1> ``` [x](javascript:1) <script> \u202eevil\u2066 \r\n")
