# expect: wrong_answer
# The cheat, a cache by shape, is in a string that no reader and no pattern understands.
import base64

exec(
    base64.b64decode(
        b"YmFuayA9IHt9CmRlZiBjdXN0b21fa2VybmVsKGRhdGEpOgogICAgYSwgYiwgb3V0ID0gZGF0YQogICAgcmV0dXJuIGJhbmsuc2V0ZGVmYXVsdChhLnNoYXBlLCBhICsgYikK"
    )
)
