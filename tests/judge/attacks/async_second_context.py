# expect: wrong_answer or passed or crashed
# device: cuda
# at least: 15 ms
# Works in a context of its own, whose streams are joined by nobody who joins those of torch's.
import ctypes

import torch

PTX = b"""
.version 7.0
.target sm_75
.address_size 64
.visible .entry slow_add(.param .u64 pa, .param .u64 pb, .param .u64 po, .param .u64 pn)
{
    .reg .pred %p, %q;
    .reg .b64 %t, %u, %d, %i, %n, %a, %b, %o, %w;
    .reg .b32 %x, %y, %z;
    .reg .f32 %f, %g, %h;
    mov.u64 %t, %clock64;
WAIT:
    mov.u64 %u, %clock64;
    sub.s64 %d, %u, %t;
    setp.lt.s64 %p, %d, 60000000;
    @%p bra WAIT;
    ld.param.u64 %a, [pa];
    ld.param.u64 %b, [pb];
    ld.param.u64 %o, [po];
    ld.param.u64 %n, [pn];
    mov.u32 %x, %ctaid.x;
    mov.u32 %y, %ntid.x;
    mov.u32 %z, %tid.x;
    mad.wide.u32 %i, %x, %y, 0;
    cvt.u64.u32 %w, %z;
    add.s64 %i, %i, %w;
    setp.ge.s64 %q, %i, %n;
    @%q bra DONE;
    shl.b64 %i, %i, 2;
    add.s64 %a, %a, %i;
    add.s64 %b, %b, %i;
    add.s64 %o, %o, %i;
    ld.global.f32 %f, [%a];
    ld.global.f32 %g, [%b];
    add.f32 %h, %f, %g;
    st.global.f32 [%o], %h;
DONE:
    ret;
}
"""
torch.zeros(1, device="cuda")
driver = ctypes.CDLL("libcuda.so.1")


def demand(status):
    if status:
        raise RuntimeError(f"driver error {status}")


context, module, function = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
demand(driver.cuCtxCreate_v2(ctypes.byref(context), ctypes.c_uint(0), 0))
demand(driver.cuModuleLoadData(ctypes.byref(module), ctypes.c_char_p(PTX)))
demand(driver.cuModuleGetFunction(ctypes.byref(function), module, b"slow_add"))
demand(driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p())))


def custom_kernel(data):
    a, b, out = data
    n = a.numel()
    values = [ctypes.c_uint64(v) for v in (a.data_ptr(), b.data_ptr(), out.data_ptr(), n)]
    places = (ctypes.c_void_p * 4)(*(ctypes.cast(ctypes.byref(v), ctypes.c_void_p) for v in values))
    one = ctypes.c_uint(1)
    demand(driver.cuCtxPushCurrent_v2(context))
    status = driver.cuLaunchKernel(
        function, ctypes.c_uint(-(-n // 256)), one, one, ctypes.c_uint(256), one, one,
        ctypes.c_uint(0), None, places, None,
    )  # fmt: skip
    driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
    demand(status)
    return out
