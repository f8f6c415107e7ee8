//! Exported functions and data that only the internal headers declare.
//!
//! They are `C-unwind` because of one way out that C code may take: a thread that wants the GIL while the interpreter shuts
//! down ends by `pthread_exit`, which unwinds its stack through whatever called into CPython.

use crate::layout::*;
use core::ffi::{c_char, c_int, c_void};
use pyo3_ffi::{Py_ssize_t, PyInterpreterState, PyObject, PyTypeObject};

/// A frame evaluation function (PEP 523).
pub type FrameEvalFunction = unsafe extern "C-unwind" fn(
    tstate: *mut ThreadState,
    frame: *mut InterpreterFrame,
    throwflag: c_int,
) -> *mut PyObject;

/// Frees one code object's slot of extra data.
pub type FreeExtraFunction = unsafe extern "C-unwind" fn(*mut c_void);

unsafe extern "C-unwind" {
    // Evaluation.
    pub fn _PyEval_EvalFrameDefault(
        ts: *mut ThreadState,
        frame: *mut InterpreterFrame,
        throwflag: c_int,
    ) -> *mut PyObject;
    pub fn _PyInterpreterState_SetEvalFrameFunc(interp: *mut PyInterpreterState, f: FrameEvalFunction);
    pub fn _PyInterpreterState_GetEvalFrameFunc(interp: *mut PyInterpreterState) -> FrameEvalFunction;
    pub fn _PyEvalFramePushAndInit(
        ts: *mut ThreadState,
        func: *mut PyFunctionObject,
        locals: *mut PyObject,
        args: *const *mut PyObject,
        argcount: usize,
        kwnames: *mut PyObject,
    ) -> *mut InterpreterFrame;
    pub fn _PyEval_FrameClearAndPop(ts: *mut ThreadState, frame: *mut InterpreterFrame);
    pub fn _PyThreadState_PopFrame(ts: *mut ThreadState, frame: *mut InterpreterFrame);
    pub fn _Py_HandlePending(ts: *mut ThreadState) -> c_int;
    /// The check of the C stack; the limit of Python frames has its own, which is not exported.
    pub fn _Py_CheckRecursiveCall(ts: *mut ThreadState, place: *const c_char) -> c_int;
    pub fn PyUnstable_Eval_RequestCodeExtraIndex(free: Option<FreeExtraFunction>) -> Py_ssize_t;
    pub fn PyUnstable_Code_SetExtra(code: *mut PyObject, index: Py_ssize_t, extra: *mut c_void) -> c_int;

    pub fn PySys_Audit(event: *const c_char, format: *const c_char, ...) -> c_int;
    pub fn PyCode_GetCode(code: *mut PyCodeObject) -> *mut PyObject;
    pub fn PyCode_GetVarnames(code: *mut PyCodeObject) -> *mut PyObject;
    pub fn PyUnstable_Code_New(
        argcount: c_int,
        kwonlyargcount: c_int,
        nlocals: c_int,
        stacksize: c_int,
        flags: c_int,
        code: *mut PyObject,
        consts: *mut PyObject,
        names: *mut PyObject,
        varnames: *mut PyObject,
        freevars: *mut PyObject,
        cellvars: *mut PyObject,
        filename: *mut PyObject,
        name: *mut PyObject,
        qualname: *mut PyObject,
        firstlineno: c_int,
        linetable: *mut PyObject,
        exceptiontable: *mut PyObject,
    ) -> *mut PyCodeObject;

    // What instructions need.
    pub fn _PyEval_MatchClass(
        ts: *mut ThreadState,
        subject: *mut PyObject,
        r#type: *mut PyObject,
        nargs: Py_ssize_t,
        kwargs: *mut PyObject,
    ) -> *mut PyObject;
    pub fn _PyEval_MatchKeys(ts: *mut ThreadState, map: *mut PyObject, keys: *mut PyObject) -> *mut PyObject;
    pub fn _PyEval_UnpackIterable(
        ts: *mut ThreadState,
        v: *mut PyObject,
        before: c_int,
        after: c_int,
        sp: *mut *mut PyObject,
    ) -> c_int;
    pub fn _PyEval_CheckExceptStarTypeValid(ts: *mut ThreadState, right: *mut PyObject) -> c_int;
    pub fn _PyEval_CheckExceptTypeValid(ts: *mut ThreadState, right: *mut PyObject) -> c_int;
    pub fn _PyEval_ExceptionGroupMatch(
        exc: *mut PyObject,
        match_type: *mut PyObject,
        matched: *mut *mut PyObject,
        rest: *mut *mut PyObject,
    ) -> c_int;
    pub fn _PyEval_FormatAwaitableError(ts: *mut ThreadState, t: *mut PyTypeObject, oparg: c_int);
    pub fn _PyEval_FormatExcCheckArg(
        ts: *mut ThreadState,
        exc: *mut PyObject,
        format: *const c_char,
        obj: *mut PyObject,
    );
    pub fn _PyEval_FormatExcUnbound(ts: *mut ThreadState, code: *mut PyCodeObject, oparg: c_int);
    pub fn _PyEval_FormatKwargsError(ts: *mut ThreadState, func: *mut PyObject, kwargs: *mut PyObject);
    pub static _PyEval_BinaryOps:
        [Option<unsafe extern "C-unwind" fn(*mut PyObject, *mut PyObject) -> *mut PyObject>; 26];
    /// Indexed by the argument of CONVERT_VALUE; the first entry is null.
    pub static _PyEval_ConversionFuncs: [Option<unsafe extern "C-unwind" fn(*mut PyObject) -> *mut PyObject>; 4];
    pub static _PyIntrinsics_UnaryFunctions: [IntrinsicFunc1Info; 12];
    pub static _PyIntrinsics_BinaryFunctions: [IntrinsicFunc2Info; 6];
    pub fn _PyCoro_GetAwaitableIter(o: *mut PyObject) -> *mut PyObject;
    pub fn _PyGen_yf(generator: *mut PyGenObject) -> *mut PyObject;
    pub fn _PyGen_FetchStopIterationValue(value: *mut *mut PyObject) -> c_int;
    pub fn _PyGen_SetStopIterationValue(value: *mut PyObject) -> c_int;
    pub fn _Py_MakeCoro(func: *mut PyFunctionObject) -> *mut PyObject;
    pub fn _PyFunction_SetVersion(func: *mut PyFunctionObject, version: u32);
    pub fn _PyErr_FormatFromCause(exc: *mut PyObject, format: *const c_char, ...) -> *mut PyObject;
    pub fn _PyErr_SetKeyError(key: *mut PyObject);
    pub fn _PyObject_GetMethod(obj: *mut PyObject, name: *mut PyObject, method: *mut *mut PyObject) -> c_int;
    pub fn _PyObject_LookupSpecial(obj: *mut PyObject, name: *mut PyObject) -> *mut PyObject;
    pub fn _PySuper_Lookup(
        t: *mut PyTypeObject,
        obj: *mut PyObject,
        name: *mut PyObject,
        method: *mut c_int,
    ) -> *mut PyObject;
    /// Borrowed.
    pub fn _PyType_Lookup(t: *mut PyTypeObject, name: *mut PyObject) -> *mut PyObject;
    pub fn PyUnstable_Type_AssignVersionTag(t: *mut PyTypeObject) -> c_int;
    pub fn _PyDict_LoadGlobal(
        globals: *mut PyDictObject,
        builtins: *mut PyDictObject,
        key: *mut PyObject,
    ) -> *mut PyObject;
    pub fn _PyDict_FromItems(
        keys: *const *mut PyObject,
        keys_stride: Py_ssize_t,
        values: *const *mut PyObject,
        values_stride: Py_ssize_t,
        n: Py_ssize_t,
    ) -> *mut PyObject;
    pub fn _PyDict_SetItem_Take2(d: *mut PyDictObject, key: *mut PyObject, value: *mut PyObject) -> c_int;
    pub fn _PyDict_MergeEx(a: *mut PyObject, b: *mut PyObject, over: c_int) -> c_int;
    pub fn _PyList_FromArraySteal(items: *const *mut PyObject, n: Py_ssize_t) -> *mut PyObject;
    pub fn _PyList_AppendTakeRefListResize(list: *mut PyListObject, item: *mut PyObject) -> c_int;
    pub fn _PyList_Extend(list: *mut PyListObject, iterable: *mut PyObject) -> *mut PyObject;
    pub fn _PyTuple_FromArraySteal(items: *const *mut PyObject, n: Py_ssize_t) -> *mut PyObject;
    pub fn _PySet_Update(set: *mut PyObject, iterable: *mut PyObject) -> c_int;
    pub fn _PySet_Contains(set: *mut PyObject, key: *mut PyObject) -> c_int;
    /// A new reference to the type's dictionary, also where the type itself does not have it.
    pub fn PyType_GetDict(t: *mut PyTypeObject) -> *mut PyObject;
    pub fn _PyUnicode_JoinArray(sep: *mut PyObject, items: *const *mut PyObject, n: Py_ssize_t) -> *mut PyObject;
    /// The value (borrowed) under a key with this hash; null, with or without an exception.
    pub fn _PyDict_GetItem_KnownHash(dict: *mut PyObject, key: *mut PyObject, hash: isize) -> *mut PyObject;
    pub fn _PyUnicode_Equal(a: *mut PyObject, b: *mut PyObject) -> c_int;
    pub fn PyUnicode_Append(left: *mut *mut PyObject, right: *mut PyObject);
    pub fn _PyUnicode_ExactDealloc(op: *mut PyObject);
    pub fn _PyFloat_ExactDealloc(op: *mut PyObject);
    pub fn PyDict_Pop(dict: *mut PyObject, key: *mut PyObject, result: *mut *mut PyObject) -> core::ffi::c_int;
    pub fn _PyLong_Add(a: *mut PyLongObject, b: *mut PyLongObject) -> *mut PyObject;
    pub fn _PyLong_Subtract(a: *mut PyLongObject, b: *mut PyLongObject) -> *mut PyObject;
    pub fn _PyLong_Multiply(a: *mut PyLongObject, b: *mut PyLongObject) -> *mut PyObject;
    pub fn _PyObject_FunctionStr(func: *mut PyObject) -> *mut PyObject;
    pub fn PyMethod_New(function: *mut PyObject, receiver: *mut PyObject) -> *mut PyObject;
    pub fn _Py_Dealloc(op: *mut PyObject);
    /// Fires RAISE for whoever listens.
    pub fn _PyEval_MonitorRaise(ts: *mut ThreadState, frame: *mut InterpreterFrame, instr: *mut CodeUnit);
    pub fn _PyMonitoring_FireExceptionHandledEvent(
        state: *mut PyMonitoringState,
        codelike: *mut PyObject,
        offset: i32,
    ) -> c_int;
    pub fn _PyMonitoring_FirePyUnwindEvent(
        state: *mut PyMonitoringState,
        codelike: *mut PyObject,
        offset: i32,
    ) -> c_int;
    /// Takes a `PyFrameObject`; adds it to the traceback of the exception that is being raised.
    pub fn PyTraceBack_Here(frame: *mut PyObject) -> c_int;

    pub static mut PyListIter_Type: PyTypeObject;
    pub static mut PyDictIterKey_Type: PyTypeObject;
    pub static mut PyDictIterValue_Type: PyTypeObject;
    pub static mut PyDictIterItem_Type: PyTypeObject;
    pub static mut PyZip_Type: PyTypeObject;
    pub static mut PyTupleIter_Type: PyTypeObject;
    pub static mut PyRangeIter_Type: PyTypeObject;
    pub static mut PyMethodDescr_Type: PyTypeObject;
    pub static mut PyGen_Type: PyTypeObject;
    pub static mut PyCoro_Type: PyTypeObject;
    pub static mut PyAsyncGen_Type: PyTypeObject;
    pub static mut PyMethod_Type: PyTypeObject;
    pub static mut PyFunction_Type: PyTypeObject;
    pub static mut PySuper_Type: PyTypeObject;
    pub static mut PyProperty_Type: PyTypeObject;
    pub static mut PyMemberDescr_Type: PyTypeObject;
}

/// `_Py_EnterRecursivePy`: counts one Python frame in; false (with RecursionError set) when that is one too many.
#[inline(always)]
pub unsafe fn enter_recursive_py(ts: *mut ThreadState) -> bool {
    let remaining = (*ts).py_recursion_remaining;
    (*ts).py_recursion_remaining = remaining - 1;
    remaining > 0 || check_recursion_limit(ts)
}

/// `_Py_LeaveRecursiveCallPy`.
#[inline(always)]
pub unsafe fn leave_recursive_py(ts: *mut ThreadState) {
    (*ts).py_recursion_remaining += 1;
}

/// `_Py_CheckRecursiveCallPy`, for a frame that is counted in already.
#[cold]
#[inline(never)]
pub unsafe fn check_recursion_limit(ts: *mut ThreadState) -> bool {
    if (*ts).recursion_headroom != 0 {
        if (*ts).py_recursion_remaining < -50 {
            pyo3_ffi::Py_FatalError(c"Cannot recover from Python stack overflow.".as_ptr());
        }
    } else if (*ts).py_recursion_remaining <= 0 {
        (*ts).recursion_headroom += 1;
        pyo3_ffi::PyErr_SetString(pyo3_ffi::PyExc_RecursionError, c"maximum recursion depth exceeded".as_ptr());
        (*ts).recursion_headroom -= 1;
        return false;
    }
    true
}

/// How deep C calls are nested, as CPython counts them.
#[inline(always)]
pub unsafe fn nested_c_calls(ts: *mut ThreadState) -> c_int {
    PY_C_RECURSION_LIMIT - (*ts).c_recursion_remaining
}

/// `_Py_EnterRecursiveCallTstate`: counts one C call in; false (with RecursionError set) when the C stack is used up.
#[inline(always)]
pub unsafe fn enter_recursive_c(ts: *mut ThreadState) -> bool {
    let remaining = (*ts).c_recursion_remaining;
    (*ts).c_recursion_remaining = remaining - 1;
    remaining > 0 || _Py_CheckRecursiveCall(ts, c"".as_ptr()) == 0
}

/// `_PyThreadState_PushFrame`: memory for a frame of `size` words on the data stack, which gets another chunk if need be; null
/// if there is no memory. `_PyThreadState_PopFrame` gives it back.
pub unsafe fn push_frame_memory(ts: *mut ThreadState, size: usize) -> *mut InterpreterFrame {
    let top = (*ts).datastack_top;
    if !top.is_null() && size < (*ts).datastack_limit.offset_from(top) as usize {
        (*ts).datastack_top = top.add(size);
        return top.cast();
    }
    push_chunk(ts, size)
}

#[cold]
unsafe fn push_chunk(ts: *mut ThreadState, size: usize) -> *mut InterpreterFrame {
    const CHUNK: usize = 16 * 1024;
    const OVERHEAD: usize = 1000;
    let mut bytes = CHUNK;
    while bytes < size_of::<*mut PyObject>() * (size + OVERHEAD) {
        bytes *= 2;
    }
    let mut arena = core::mem::zeroed::<pyo3_ffi::PyObjectArenaAllocator>();
    pyo3_ffi::PyObject_GetArenaAllocator(&raw mut arena);
    let Some(alloc) = arena.alloc else { return core::ptr::null_mut() };
    let chunk = alloc(arena.ctx, bytes).cast::<StackChunk>();
    if chunk.is_null() {
        return core::ptr::null_mut();
    }
    let previous = (*ts).datastack_chunk;
    (*chunk).previous = previous;
    (*chunk).size = bytes;
    (*chunk).top = 0;
    let data = |chunk: *mut StackChunk| (&raw mut (*chunk).data).cast::<*mut PyObject>();
    if !previous.is_null() {
        (*previous).top = (*ts).datastack_top.offset_from(data(previous)) as usize;
    }
    (*ts).datastack_chunk = chunk;
    (*ts).datastack_limit = chunk.byte_add(bytes).cast();
    // The first chunk is never given back, which CPython sees to by leaving its first word unused.
    let frame = data(chunk).add(usize::from(previous.is_null()));
    (*ts).datastack_top = frame.add(size);
    frame.cast()
}
