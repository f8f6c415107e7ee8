//! Structures: frames, code, thread states, generators, functions, containers.

use core::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use core::mem::offset_of;
use pyo3_ffi::{Py_ssize_t, PyCFunction, PyMethodDef, PyObject, PyTypeObject, PyVarObject, vectorcallfunc};

/// One 16-bit unit of bytecode: an instruction (opcode in the low byte, argument in the high byte) or a cache entry.
pub type CodeUnit = u16;

/// `_PyInterpreterFrame` (`pycore_frame.h`).
#[repr(C)]
pub struct InterpreterFrame {
    pub f_executable: *mut PyObject,
    pub previous: *mut InterpreterFrame,
    pub f_funcobj: *mut PyObject,
    pub f_globals: *mut PyObject,
    pub f_builtins: *mut PyObject,
    pub f_locals: *mut PyObject,
    pub frame_obj: *mut PyObject,
    /// The instruction being executed, or about to be.
    pub instr_ptr: *mut CodeUnit,
    /// Number of live slots in `localsplus`; -1 while the frame executes.
    pub stacktop: c_int,
    /// Where a callee's return lands, in code units from `instr_ptr`.
    pub return_offset: u16,
    pub owner: FrameOwner,
    pub localsplus: [*mut PyObject; 1],
}

/// Who owns a frame's memory: `enum _frameowner` (a plain byte: frames are written by C too).
pub type FrameOwner = u8;
pub const FRAME_OWNED_BY_THREAD: FrameOwner = 0;
pub const FRAME_OWNED_BY_GENERATOR: FrameOwner = 1;
pub const FRAME_OWNED_BY_FRAME_OBJECT: FrameOwner = 2;
pub const FRAME_OWNED_BY_CSTACK: FrameOwner = 3;

/// `PyFrameState`: the state of a generator's frame.
pub type FrameState = i8;
pub const FRAME_CREATED: FrameState = -3;
pub const FRAME_SUSPENDED: FrameState = -2;
pub const FRAME_SUSPENDED_YIELD_FROM: FrameState = -1;
pub const FRAME_EXECUTING: FrameState = 0;
pub const FRAME_COMPLETED: FrameState = 1;
pub const FRAME_CLEARED: FrameState = 4;

/// `PyCodeObject` (`cpython/code.h`).
#[repr(C)]
pub struct PyCodeObject {
    pub ob_base: PyVarObject,
    pub co_consts: *mut PyObject,
    pub co_names: *mut PyObject,
    pub co_exceptiontable: *mut PyObject,
    pub co_flags: c_int,
    pub co_argcount: c_int,
    pub co_posonlyargcount: c_int,
    pub co_kwonlyargcount: c_int,
    pub co_stacksize: c_int,
    pub co_firstlineno: c_int,
    pub co_nlocalsplus: c_int,
    pub co_framesize: c_int,
    pub co_nlocals: c_int,
    pub co_ncellvars: c_int,
    pub co_nfreevars: c_int,
    pub co_version: u32,
    pub co_localsplusnames: *mut PyObject,
    pub co_localspluskinds: *mut PyObject,
    pub co_filename: *mut PyObject,
    pub co_name: *mut PyObject,
    pub co_qualname: *mut PyObject,
    pub co_linetable: *mut PyObject,
    pub co_weakreflist: *mut PyObject,
    pub co_executors: *mut c_void,
    pub _co_cached: *mut c_void,
    pub _co_instrumentation_version: usize,
    pub _co_monitoring: *mut c_void,
    pub _co_firsttraceable: c_int,
    pub co_extra: *mut CodeObjectExtra,
    pub co_code_adaptive: [CodeUnit; 1],
}

/// `_PyCodeObjectExtra` (`codeobject.c`).
#[repr(C)]
pub struct CodeObjectExtra {
    pub ce_size: Py_ssize_t,
    pub ce_extras: [*mut c_void; 1],
}

pub const CO_OPTIMIZED: c_int = 0x1;
pub const CO_NEWLOCALS: c_int = 0x2;
pub const CO_VARARGS: c_int = 0x4;
pub const CO_VARKEYWORDS: c_int = 0x8;
pub const CO_GENERATOR: c_int = 0x20;
pub const CO_COROUTINE: c_int = 0x80;
pub const CO_ITERABLE_COROUTINE: c_int = 0x100;
pub const CO_ASYNC_GENERATOR: c_int = 0x200;

/// `_PyErr_StackItem`: an entry of the stack of exceptions being handled.
#[repr(C)]
pub struct ErrStackItem {
    pub exc_value: *mut PyObject,
    pub previous_item: *mut ErrStackItem,
}

/// `_PyStackChunk`: a piece of the data stack that frames live on.
#[repr(C)]
pub struct StackChunk {
    pub previous: *mut StackChunk,
    pub size: usize,
    pub top: usize,
    pub data: [*mut PyObject; 1],
}

/// `PyThreadState` (`cpython/pystate.h`).
#[repr(C)]
pub struct ThreadState {
    pub prev: *mut ThreadState,
    pub next: *mut ThreadState,
    pub interp: *mut pyo3_ffi::PyInterpreterState,
    /// Instrumentation version in the high bits, pending events in the low eight.
    pub eval_breaker: usize,
    pub _status: c_uint,
    pub _whence: c_int,
    pub state: c_int,
    pub py_recursion_remaining: c_int,
    pub py_recursion_limit: c_int,
    pub c_recursion_remaining: c_int,
    pub recursion_headroom: c_int,
    pub tracing: c_int,
    pub what_event: c_int,
    pub current_frame: *mut InterpreterFrame,
    pub c_profilefunc: *mut c_void,
    pub c_tracefunc: *mut c_void,
    pub c_profileobj: *mut PyObject,
    pub c_traceobj: *mut PyObject,
    pub current_exception: *mut PyObject,
    pub exc_info: *mut ErrStackItem,
    pub dict: *mut PyObject,
    pub gilstate_counter: c_int,
    pub async_exc: *mut PyObject,
    pub thread_id: c_ulong,
    pub native_thread_id: c_ulong,
    pub delete_later: *mut PyObject,
    pub critical_section: usize,
    pub coroutine_origin_tracking_depth: c_int,
    pub async_gen_firstiter: *mut PyObject,
    pub async_gen_finalizer: *mut PyObject,
    pub context: *mut PyObject,
    pub context_ver: u64,
    pub id: u64,
    pub datastack_chunk: *mut StackChunk,
    pub datastack_top: *mut *mut PyObject,
    pub datastack_limit: *mut *mut PyObject,
    pub exc_state: ErrStackItem,
    pub previous_executor: *mut PyObject,
}

/// The bits of [`ThreadState::eval_breaker`] that say that something is pending; the others are the instrumentation version.
pub const EVAL_EVENTS_MASK: usize = 0xff;
/// C stack units that one activation of an evaluation loop counts for (`ceval.c`).
pub const PY_EVAL_C_STACK_UNITS: c_int = 2;

/// Offset in `PyInterpreterState` of `eval_frame`, the installed frame evaluation function (null: CPython's own). The same from
/// 3.13.0 to 3.13.15; whoever uses it checks that a function that he installed shows up there.
pub const INTERP_EVAL_FRAME_OFFSET: usize = 8472;

/// C calls that may be nested, where a thread starts (`Py_C_RECURSION_LIMIT` of release builds for x86-64).
pub const PY_C_RECURSION_LIMIT: c_int = 10_000;

/// `PyGenObject`, also the layout of coroutines and asynchronous generators.
#[repr(C)]
pub struct PyGenObject {
    pub ob_base: PyObject,
    pub gi_weakreflist: *mut PyObject,
    pub gi_name: *mut PyObject,
    pub gi_qualname: *mut PyObject,
    pub gi_exc_state: ErrStackItem,
    pub gi_origin_or_finalizer: *mut PyObject,
    pub gi_hooks_inited: c_char,
    pub gi_closed: c_char,
    pub gi_running_async: c_char,
    pub gi_frame_state: FrameState,
    /// The frame itself, in place (an [`InterpreterFrame`]).
    pub gi_iframe: [*mut PyObject; 1],
}

/// `PyFunctionObject` (`cpython/funcobject.h`).
#[repr(C)]
pub struct PyFunctionObject {
    pub ob_base: PyObject,
    pub func_globals: *mut PyObject,
    pub func_builtins: *mut PyObject,
    pub func_name: *mut PyObject,
    pub func_qualname: *mut PyObject,
    pub func_code: *mut PyObject,
    pub func_defaults: *mut PyObject,
    pub func_kwdefaults: *mut PyObject,
    pub func_closure: *mut PyObject,
    pub func_doc: *mut PyObject,
    pub func_dict: *mut PyObject,
    pub func_weakreflist: *mut PyObject,
    pub func_module: *mut PyObject,
    pub func_annotations: *mut PyObject,
    pub func_typeparams: *mut PyObject,
    pub vectorcall: Option<vectorcallfunc>,
    /// Non-zero: identifies the function's code (functions made from one code object start with the code's version, whatever
    /// their defaults). Zero after `__code__`, `__defaults__`, ... were assigned.
    pub func_version: u32,
}

/// `PyMethodObject`: a bound method.
#[repr(C)]
pub struct PyMethodObject {
    pub ob_base: PyObject,
    pub im_func: *mut PyObject,
    pub im_self: *mut PyObject,
    pub im_weakreflist: *mut PyObject,
    pub vectorcall: Option<vectorcallfunc>,
}

/// `classmethod` and `staticmethod`, as far as both are alike.
#[repr(C)]
pub struct ClassMethodObject {
    pub ob_base: PyObject,
    pub callable: *mut PyObject,
}

/// `PyCellObject`.
#[repr(C)]
pub struct PyCellObject {
    pub ob_base: PyObject,
    pub ob_ref: *mut PyObject,
}

/// `PyCFunctionObject`: a built-in function or method bound to its receiver.
#[repr(C)]
pub struct PyCFunctionObject {
    pub ob_base: PyObject,
    pub m_ml: *mut PyMethodDef,
    pub m_self: *mut PyObject,
    pub m_module: *mut PyObject,
    pub m_weakreflist: *mut PyObject,
    pub vectorcall: Option<vectorcallfunc>,
}

/// `PyMethodDescrObject`: a method of a built-in type.
#[repr(C)]
pub struct PyMethodDescrObject {
    pub ob_base: PyObject,
    pub d_type: *mut PyTypeObject,
    pub d_name: *mut PyObject,
    pub d_qualname: *mut PyObject,
    pub d_method: *mut PyMethodDef,
    pub vectorcall: Option<vectorcallfunc>,
}

/// `mappingproxyobject` (`descrobject.c`): what the `__dict__` of a class is.
#[repr(C)]
pub struct MappingProxyObject {
    pub ob_base: PyObject,
    pub mapping: *mut PyObject,
}

/// `PyMemberDescrObject`: the descriptor of a slot.
#[repr(C)]
pub struct PyMemberDescrObject {
    pub ob_base: PyObject,
    pub d_type: *mut PyTypeObject,
    pub d_name: *mut PyObject,
    pub d_qualname: *mut PyObject,
    pub d_member: *mut pyo3_ffi::PyMemberDef,
}

/// `PyGetSetDescrObject`: the descriptor of an attribute that C functions get and set.
#[repr(C)]
pub struct PyGetSetDescrObject {
    pub ob_base: PyObject,
    pub d_type: *mut PyTypeObject,
    pub d_name: *mut PyObject,
    pub d_qualname: *mut PyObject,
    pub d_getset: *mut pyo3_ffi::PyGetSetDef,
}

/// `propertyobject` (`descrobject.c`).
#[repr(C)]
pub struct PropertyObject {
    pub ob_base: PyObject,
    pub prop_get: *mut PyObject,
    pub prop_set: *mut PyObject,
    pub prop_del: *mut PyObject,
    pub prop_doc: *mut PyObject,
    pub prop_name: *mut PyObject,
    pub getter_doc: c_int,
}

/// `PyModuleObject`.
#[repr(C)]
pub struct PyModuleObject {
    pub ob_base: PyObject,
    pub md_dict: *mut PyObject,
}

/// `PyLongObject`. `lv_tag`: digit count in bits 3 and up, 0/1/2 in the low two bits for positive/zero/negative.
#[repr(C)]
pub struct PyLongObject {
    pub ob_base: PyObject,
    pub lv_tag: usize,
    pub ob_digit: [u32; 1],
}

/// `PyListObject`.
#[repr(C)]
pub struct PyListObject {
    pub ob_base: PyVarObject,
    pub ob_item: *mut *mut PyObject,
    pub allocated: Py_ssize_t,
}

/// `PyTupleObject`.
#[repr(C)]
pub struct PyTupleObject {
    pub ob_base: PyVarObject,
    pub ob_item: [*mut PyObject; 1],
}

/// `PyFloatObject`.
#[repr(C)]
pub struct PyFloatObject {
    pub ob_base: PyObject,
    pub ob_fval: f64,
}

/// `_PyListIterObject`.
#[repr(C)]
pub struct ListIterObject {
    pub ob_base: PyObject,
    pub it_index: Py_ssize_t,
    pub it_seq: *mut PyListObject,
}

/// The head of `dequeobject` (`_collectionsmodule.c`).
#[repr(C)]
pub struct DequeObject {
    pub ob_base: PyVarObject,
    pub leftblock: *mut c_void,
    pub rightblock: *mut c_void,
    pub leftindex: Py_ssize_t,
    pub rightindex: Py_ssize_t,
    pub state: usize,
    /// Negative if it has none.
    pub maxlen: Py_ssize_t,
}

/// `_PyTupleIterObject`.
#[repr(C)]
pub struct TupleIterObject {
    pub ob_base: PyObject,
    pub it_index: Py_ssize_t,
    pub it_seq: *mut PyTupleObject,
}

/// `unicodeiterobject`, `striterobject` (of bytes) and `listreviterobject`. The last counts down.
#[repr(C)]
pub struct IndexIterObject {
    pub ob_base: PyObject,
    pub it_index: Py_ssize_t,
    /// Null when exhausted.
    pub it_seq: *mut PyObject,
}

/// `setiterobject`.
#[repr(C)]
pub struct SetIterObject {
    pub ob_base: PyObject,
    /// Null when exhausted.
    pub si_set: *mut pyo3_ffi::PySetObject,
    /// Number of items when the iterator was made.
    pub si_used: Py_ssize_t,
    pub si_pos: Py_ssize_t,
    /// Items that are left.
    pub len: Py_ssize_t,
}

/// `_PyRangeIterObject`.
#[repr(C)]
pub struct RangeIterObject {
    pub ob_base: PyObject,
    pub start: c_long,
    pub step: c_long,
    pub len: c_long,
}

/// `dictiterobject`, of keys, values or items.
#[repr(C)]
pub struct DictIterObject {
    pub ob_base: PyObject,
    /// Null when exhausted.
    pub di_dict: *mut PyDictObject,
    /// Number of items when the iterator was made.
    pub di_used: Py_ssize_t,
    pub di_pos: Py_ssize_t,
    /// The tuple that is used again if nobody else has it.
    pub di_result: *mut PyObject,
    /// Items that are left.
    pub len: Py_ssize_t,
}

/// `enumobject`.
#[repr(C)]
pub struct EnumObject {
    pub ob_base: PyObject,
    pub en_index: Py_ssize_t,
    pub en_sit: *mut PyObject,
    /// The tuple that is used again if nobody else has it.
    pub en_result: *mut PyObject,
    /// Not null when the index does not fit.
    pub en_longindex: *mut PyObject,
}

/// `zipobject`.
#[repr(C)]
pub struct ZipObject {
    pub ob_base: PyObject,
    pub tuplesize: Py_ssize_t,
    /// The iterators.
    pub ittuple: *mut PyObject,
    /// The tuple that is used again if nobody else has it.
    pub result: *mut PyObject,
    pub strict: core::ffi::c_int,
}

/// `PyASCIIObject`: the head of every string. `state`: interned (2 bits), kind (3), compact (1), ascii (1), ...
#[repr(C)]
pub struct PyASCIIObject {
    pub ob_base: PyObject,
    pub length: Py_ssize_t,
    pub hash: isize,
    pub state: u32,
}

/// `PyDictObject`.
#[repr(C)]
pub struct PyDictObject {
    pub ob_base: PyObject,
    pub ma_used: Py_ssize_t,
    /// Watchers in bits 0-7, tier 2's mutation counter in bits 8-11, the version above.
    pub ma_version_tag: u64,
    pub ma_keys: *mut DictKeys,
    pub ma_values: *mut DictValues,
}

/// `PyDictKeysObject`: the hash table; the index table and then the entries follow the head.
#[repr(C)]
pub struct DictKeys {
    pub dk_refcnt: Py_ssize_t,
    pub dk_log2_size: u8,
    pub dk_log2_index_bytes: u8,
    pub dk_kind: u8,
    /// Zero, or a number that stands for this very set of keys at these very places. CPython resets it to zero whenever a
    /// key is added or removed.
    pub dk_version: u32,
    pub dk_usable: Py_ssize_t,
    pub dk_nentries: Py_ssize_t,
    pub dk_indices: [u8; 0],
}
pub const DICT_KEYS_GENERAL: u8 = 0;
pub const DICT_KEYS_UNICODE: u8 = 1;
pub const DICT_KEYS_SPLIT: u8 = 2;

/// `PyDictUnicodeEntry`.
#[repr(C)]
pub struct DictUnicodeEntry {
    pub me_key: *mut PyObject,
    pub me_value: *mut PyObject,
}

/// `PyDictKeyEntry`.
#[repr(C)]
pub struct DictKeyEntry {
    pub me_hash: isize,
    pub me_key: *mut PyObject,
    pub me_value: *mut PyObject,
}

/// `PyDictValues`: the values of a split table; for most instances they lie inside the object.
#[repr(C)]
pub struct DictValues {
    pub capacity: u8,
    pub size: u8,
    pub embedded: u8,
    pub valid: u8,
    pub values: [*mut PyObject; 1],
}

/// The part of `PyHeapTypeObject` behind what `pyo3-ffi` declares.
#[repr(C)]
pub struct SpecializationCache {
    pub getitem: *mut PyObject,
    pub getitem_version: u32,
    pub init: *mut PyObject,
}

/// Offset of `ht_cached_keys` in `PyHeapTypeObject`.
pub const HT_CACHED_KEYS_OFFSET: usize = 880;

/// `intrinsic_func1_info` (`pycore_intrinsics.h`).
#[repr(C)]
pub struct IntrinsicFunc1Info {
    pub func: unsafe extern "C-unwind" fn(*mut ThreadState, *mut PyObject) -> *mut PyObject,
    pub name: *const c_char,
}

/// `intrinsic_func2_info` (`pycore_intrinsics.h`).
#[repr(C)]
pub struct IntrinsicFunc2Info {
    pub func: unsafe extern "C-unwind" fn(*mut ThreadState, *mut PyObject, *mut PyObject) -> *mut PyObject,
    pub name: *const c_char,
}

/// `PyMonitoringState` (`cpython/monitoring.h`): the tools that listen to an event, one bit for each.
#[repr(C)]
pub struct PyMonitoringState {
    pub active: u8,
    pub opaque: u8,
}

/// Numbers of monitoring events (`cpython/monitoring.h`).
pub const PY_MONITORING_EVENT_EXCEPTION_HANDLED: u32 = 11;
pub const PY_MONITORING_EVENT_PY_UNWIND: u32 = 12;

/// A C function of METH_FASTCALL.
pub type FastCFunction = unsafe extern "C-unwind" fn(*mut PyObject, *const *mut PyObject, Py_ssize_t) -> *mut PyObject;
/// A C function of METH_FASTCALL | METH_KEYWORDS.
pub type FastKwCFunction =
    unsafe extern "C-unwind" fn(*mut PyObject, *const *mut PyObject, Py_ssize_t, *mut PyObject) -> *mut PyObject;
/// A C function of METH_NOARGS or METH_O.
pub type OneCFunction = PyCFunction;

macro_rules! assert_offsets {
    ($($type:ty { $($field:ident = $offset:expr),+ $(,)? })+) => { $($(
        const _: () = assert!(offset_of!($type, $field) == $offset);
    )+)+ };
}

assert_offsets! {
    InterpreterFrame { f_executable = 0, previous = 8, f_locals = 40, instr_ptr = 56, stacktop = 64, return_offset = 68, owner = 70, localsplus = 72 }
    PyCodeObject {
        co_consts = 24, co_flags = 48, co_version = 92, _co_instrumentation_version = 168, _co_monitoring = 176,
        _co_firsttraceable = 184, co_extra = 192, co_code_adaptive = 200,
    }
    ThreadState {
        interp = 16, eval_breaker = 24, py_recursion_remaining = 44, c_recursion_remaining = 52, tracing = 60,
        current_frame = 72, c_profilefunc = 80, current_exception = 112, exc_info = 120, datastack_chunk = 232,
        datastack_top = 240, datastack_limit = 248, exc_state = 256, previous_executor = 272,
    }
    PyGenObject { gi_exc_state = 40, gi_frame_state = 67, gi_iframe = 72 }
    PyFunctionObject { func_code = 48, func_defaults = 56, func_closure = 72, vectorcall = 128, func_version = 136 }
    DictKeys { dk_version = 12, dk_nentries = 24, dk_indices = 32 }
    PyDictObject { ma_keys = 32, ma_values = 40 }
    PyLongObject { lv_tag = 16, ob_digit = 24 }
    PyASCIIObject { state = 32 }
    DictValues { values = 8 }
    PyTypeObject { tp_version_tag = 384 }
    StackChunk { data = 24 }
}
