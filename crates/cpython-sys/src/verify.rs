//! Whether the running CPython is laid out as this crate believes.
//!
//! Two kinds of evidence. CPython publishes some of its private offsets, for debuggers and profilers, in
//! `_PyRuntime.debug_offsets`; these are compared with ours. For the rest small objects are made, and what lies at our
//! offsets is compared with what the public API says about them. A patch release that moved something would be noticed
//! here, at import, and not as a crash later.

use crate::array::ByteArrayObject;
use crate::layout::*;
use crate::{dict, object};
use core::ffi::{CStr, c_char, c_int, c_long};
use core::fmt;
use core::mem::offset_of;
use core::ptr::null_mut;
use pyo3_ffi::{self as ffi, Py_ssize_t, PyObject, PyTypeObject, PyVarObject};

/// What is not as expected, and in which CPython.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutError {
    /// The release, such as `3.13.5`.
    pub python: String,
    /// The first thing that differs.
    pub what: String,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the private layout of CPython {} is not the one that this build knows: {}", self.python, self.what)
    }
}

impl std::error::Error for LayoutError {}

/// `_Py_DebugOffsets`, as far as 3.13 has it: a cookie and then 64-bit numbers.
#[repr(C)]
struct DebugOffsets {
    cookie: [u8; 8],
    version: u64,
    free_threaded: u64,
    runtime_state: [u64; 3],
    interpreter_state: [u64; 13],
    thread_state: ThreadStateOffsets,
    interpreter_frame: FrameOffsets,
    code_object: CodeOffsets,
    pyobject: [u64; 2],
    type_object: [u64; 4],
    tuple_object: [u64; 3],
    list_object: [u64; 3],
    dict_object: [u64; 3],
    float_object: [u64; 2],
    long_object: [u64; 3],
    bytes_object: [u64; 3],
    unicode_object: [u64; 4],
}

#[repr(C)]
struct ThreadStateOffsets {
    size: u64,
    prev: u64,
    next: u64,
    interp: u64,
    current_frame: u64,
    thread_id: u64,
    native_thread_id: u64,
    datastack_chunk: u64,
    status: u64,
}

#[repr(C)]
struct FrameOffsets {
    size: u64,
    previous: u64,
    executable: u64,
    instr_ptr: u64,
    localsplus: u64,
    owner: u64,
}

#[repr(C)]
struct CodeOffsets {
    size: u64,
    filename: u64,
    name: u64,
    qualname: u64,
    linetable: u64,
    firstlineno: u64,
    argcount: u64,
    localsplusnames: u64,
    localspluskinds: u64,
    co_code_adaptive: u64,
}

unsafe extern "C-unwind" {
    // Only its first member is of interest.
    static _PyRuntime: DebugOffsets;
    fn PyUnstable_Type_AssignVersionTag(t: *mut PyTypeObject) -> c_int;
    fn PyMethod_New(function: *mut PyObject, receiver: *mut PyObject) -> *mut PyObject;
    fn PyFunction_GetKwDefaults(op: *mut PyObject) -> *mut PyObject;
}

type Checked = Result<(), String>;

/// Checks everything. Needs the GIL, and no exception set; takes some 100 microseconds.
pub fn verify() -> Result<(), LayoutError> {
    // SAFETY: the caller holds the GIL, see above. The published offsets are read first, so that a CPython that is quite
    // another one is noticed before anything is read at our own offsets; those are inside objects that we have just made.
    let checked = unsafe { published(&_PyRuntime).and_then(|()| live()) };
    checked.map_err(|what| {
        // SAFETY: a constant that CPython exports.
        let version = unsafe { ffi::Py_Version };
        LayoutError { python: format!("{}.{}.{}", version >> 24, version >> 16 & 0xff, version >> 8 & 0xff), what }
    })
}

fn same<T: PartialEq + fmt::Debug>(what: &str, found: T, expected: T) -> Checked {
    if found == expected { Ok(()) } else { Err(format!("{what} is {found:?}, expected {expected:?}")) }
}

/// The offsets that CPython publishes, for all that this crate declares.
fn published(offsets: &DebugOffsets) -> Checked {
    if &offsets.cookie != b"xdebugpy" {
        return Err("_PyRuntime does not start with debug offsets".to_string());
    }
    // SAFETY: a constant that CPython exports.
    let version = unsafe { ffi::Py_Version };
    same("version of the debug offsets", offsets.version, version)?;
    same("free_threaded", offsets.free_threaded, 0)?;

    macro_rules! table {
        ($($what:literal: $found:expr => $expected:expr;)+) => {
            $(same($what, $found, $expected as u64)?;)+
        };
    }
    let thread = &offsets.thread_state;
    if thread.size < size_of::<ThreadState>() as u64 {
        return Err(format!("thread_state.size is {}", thread.size));
    }
    let frame = &offsets.interpreter_frame;
    let code = &offsets.code_object;
    let [object_size, object_type] = offsets.pyobject;
    let [type_size, type_name, type_repr, type_flags] = offsets.type_object;
    let [_, tuple_item, tuple_size] = offsets.tuple_object;
    let [list_length, list_item, list_size] = offsets.list_object;
    let [dict_size, dict_keys, dict_values] = offsets.dict_object;
    let [float_size, float_value] = offsets.float_object;
    let [_, long_tag, long_digit] = offsets.long_object;
    let [_, bytes_size, bytes_value] = offsets.bytes_object;
    let [_, unicode_state, unicode_length, ascii_size] = offsets.unicode_object;
    table! {
        "thread_state.prev": thread.prev => offset_of!(ThreadState, prev);
        "thread_state.next": thread.next => offset_of!(ThreadState, next);
        "thread_state.interp": thread.interp => offset_of!(ThreadState, interp);
        "thread_state.current_frame": thread.current_frame => offset_of!(ThreadState, current_frame);
        "thread_state.thread_id": thread.thread_id => offset_of!(ThreadState, thread_id);
        "thread_state.native_thread_id": thread.native_thread_id => offset_of!(ThreadState, native_thread_id);
        "thread_state.datastack_chunk": thread.datastack_chunk => offset_of!(ThreadState, datastack_chunk);
        "thread_state.status": thread.status => offset_of!(ThreadState, _status);
        "interpreter_frame.size": frame.size => size_of::<InterpreterFrame>();
        "interpreter_frame.previous": frame.previous => offset_of!(InterpreterFrame, previous);
        "interpreter_frame.executable": frame.executable => offset_of!(InterpreterFrame, f_executable);
        "interpreter_frame.instr_ptr": frame.instr_ptr => offset_of!(InterpreterFrame, instr_ptr);
        "interpreter_frame.localsplus": frame.localsplus => offset_of!(InterpreterFrame, localsplus);
        "interpreter_frame.owner": frame.owner => offset_of!(InterpreterFrame, owner);
        "code_object.size": code.size => size_of::<PyCodeObject>();
        "code_object.filename": code.filename => offset_of!(PyCodeObject, co_filename);
        "code_object.name": code.name => offset_of!(PyCodeObject, co_name);
        "code_object.qualname": code.qualname => offset_of!(PyCodeObject, co_qualname);
        "code_object.linetable": code.linetable => offset_of!(PyCodeObject, co_linetable);
        "code_object.firstlineno": code.firstlineno => offset_of!(PyCodeObject, co_firstlineno);
        "code_object.argcount": code.argcount => offset_of!(PyCodeObject, co_argcount);
        "code_object.localsplusnames": code.localsplusnames => offset_of!(PyCodeObject, co_localsplusnames);
        "code_object.localspluskinds": code.localspluskinds => offset_of!(PyCodeObject, co_localspluskinds);
        "code_object.co_code_adaptive": code.co_code_adaptive => offset_of!(PyCodeObject, co_code_adaptive);
        "pyobject.size": object_size => size_of::<PyObject>();
        "pyobject.ob_type": object_type => offset_of!(PyObject, ob_type);
        "type_object.size": type_size => size_of::<PyTypeObject>();
        "type_object.tp_name": type_name => offset_of!(PyTypeObject, tp_name);
        "type_object.tp_repr": type_repr => offset_of!(PyTypeObject, tp_repr);
        "type_object.tp_flags": type_flags => offset_of!(PyTypeObject, tp_flags);
        "tuple_object.ob_item": tuple_item => offset_of!(PyTupleObject, ob_item);
        "tuple_object.ob_size": tuple_size => offset_of!(PyVarObject, ob_size);
        "list_object.size": list_length => size_of::<PyListObject>();
        "list_object.ob_item": list_item => offset_of!(PyListObject, ob_item);
        "list_object.ob_size": list_size => offset_of!(PyVarObject, ob_size);
        "dict_object.size": dict_size => size_of::<PyDictObject>();
        "dict_object.ma_keys": dict_keys => offset_of!(PyDictObject, ma_keys);
        "dict_object.ma_values": dict_values => offset_of!(PyDictObject, ma_values);
        "float_object.size": float_size => size_of::<PyFloatObject>();
        "float_object.ob_fval": float_value => offset_of!(PyFloatObject, ob_fval);
        "long_object.lv_tag": long_tag => offset_of!(PyLongObject, lv_tag);
        "long_object.ob_digit": long_digit => offset_of!(PyLongObject, ob_digit);
        "bytes_object.ob_size": bytes_size => offset_of!(PyVarObject, ob_size);
        "bytes_object.ob_sval": bytes_value => offset_of!(ffi::PyBytesObject, ob_sval);
        "unicode_object.state": unicode_state => offset_of!(PyASCIIObject, state);
        "unicode_object.length": unicode_length => offset_of!(PyASCIIObject, length);
        "unicode_object.asciiobject_size": ascii_size => size_of::<PyASCIIObject>();
    }
    Ok(())
}

/// A reference that is dropped at the end.
struct Owned(*mut PyObject);

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: `new` has taken over one reference to a live object, with the GIL held as for all of this module.
        unsafe { ffi::Py_DECREF(self.0) }
    }
}

impl Owned {
    /// Takes over a new reference; a null pointer means that an exception is set, which is cleared.
    unsafe fn new(object: *mut PyObject, what: &str) -> Result<Owned, String> {
        if object.is_null() {
            ffi::PyErr_Clear();
            return Err(format!("cannot make {what}"));
        }
        Ok(Owned(object))
    }

    unsafe fn attribute(&self, name: &CStr) -> Result<Owned, String> {
        Owned::new(ffi::PyObject_GetAttrString(self.0, name.as_ptr()), &name.to_string_lossy())
    }

    unsafe fn attribute_number(&self, name: &CStr) -> Result<c_long, String> {
        Ok(ffi::PyLong_AsLong(self.attribute(name)?.0))
    }

    unsafe fn as_type(&self) -> *mut PyTypeObject {
        self.0.cast()
    }
}

unsafe fn number(value: c_long) -> Result<Owned, String> {
    Owned::new(ffi::PyLong_FromLong(value), "an int")
}

unsafe fn string(value: &CStr) -> Result<Owned, String> {
    Owned::new(ffi::PyUnicode_InternFromString(value.as_ptr()), "a str")
}

unsafe fn item(dict: &Owned, name: &CStr) -> Result<Owned, String> {
    let value = ffi::PyDict_GetItemString(dict.0, name.as_ptr());
    ffi::Py_XINCREF(value);
    Owned::new(value, &name.to_string_lossy())
}

/// What is not published, found out on live objects.
unsafe fn live() -> Checked {
    thread()?;
    numbers_and_sequences()?;
    bytearrays()?;
    dictionaries()?;
    code()
}

unsafe fn thread() -> Checked {
    let raw = ffi::PyThreadState_Get();
    let ts = raw.cast::<ThreadState>();
    same("interp", (*ts).interp, ffi::PyInterpreterState_Get())?;
    same("thread_id", (*ts).thread_id, ffi::PyThread_get_thread_ident())?;
    same("id", (*ts).id, ffi::PyThreadState_GetID(raw) as u64)?;
    let limit = ffi::Py_GetRecursionLimit();
    same("py_recursion_limit", (*ts).py_recursion_limit, limit)?;
    let remaining = (*ts).py_recursion_remaining;
    if remaining > limit || remaining < 0 {
        return Err(format!("py_recursion_remaining is {remaining}"));
    }
    let remaining = (*ts).c_recursion_remaining;
    if !(0..=1 << 20).contains(&remaining) {
        return Err(format!("c_recursion_remaining is {remaining}"));
    }
    // Made on demand.
    let dict = ffi::PyThreadState_GetDict();
    same("dict", (*ts).dict, dict)?;
    let chunk = (*ts).datastack_chunk;
    if !chunk.is_null() {
        let (top, limit) = ((*ts).datastack_top, (*ts).datastack_limit);
        same("datastack_limit", limit.addr(), chunk.addr() + (*chunk).size)?;
        let data = chunk.addr() + offset_of!(StackChunk, data);
        if !(data..=limit.addr()).contains(&top.addr()) {
            return Err("datastack_top lies outside of its chunk".to_string());
        }
    }

    // The exception that is being raised, and the one that is being handled.
    ffi::PyErr_SetNone(ffi::PyExc_KeyError);
    let current = (*ts).current_exception;
    let raised = Owned::new(ffi::PyErr_GetRaisedException(), "an exception")?;
    same("current_exception", current, raised.0)?;
    same("current_exception", (*ts).current_exception, null_mut())?;
    let before = ffi::PyErr_GetHandledException();
    ffi::PyErr_SetHandledException(raised.0);
    let handled = (*(*ts).exc_info).exc_value;
    ffi::PyErr_SetHandledException(before);
    ffi::Py_XDECREF(before);
    same("exc_info", handled, raised.0)?;
    let mut item = (*ts).exc_info;
    while !(*item).previous_item.is_null() {
        item = (*item).previous_item;
    }
    same("exc_state", item, &raw mut (*ts).exc_state)
}

unsafe fn numbers_and_sequences() -> Checked {
    for (value, tag, digit) in [
        (0, 1, None),
        (1, 1 << 3, Some(1)),
        (-5, 1 << 3 | 2, Some(5)),
        ((1 << 30) - 1, 1 << 3, Some((1 << 30) - 1)),
        ((1 << 40) + 7, 2 << 3, Some(7)),
        (-(1 << 40) - 7, 2 << 3 | 2, Some(7)),
    ] {
        let object = number(value)?;
        let long = object.0.cast::<PyLongObject>();
        same("lv_tag", (*long).lv_tag, tag)?;
        if let Some(digit) = digit {
            same("ob_digit", (&raw const (*long).ob_digit).cast::<u32>().read(), digit)?;
        }
        same("is compact", object::long_is_compact(object.0), tag >> 3 < 2)?;
        if object::long_is_compact(object.0) {
            same("compact value", object::long_compact_value(object.0), value as isize)?;
        }
    }
    let float = Owned::new(ffi::PyFloat_FromDouble(1.5), "a float")?;
    same("ob_fval", object::float_value(float.0), 1.5)?;

    let text = string(c"hotspur")?;
    let ascii = text.0.cast::<PyASCIIObject>();
    same("length", (*ascii).length, 7)?;
    same("hash", (*ascii).hash, ffi::PyObject_Hash(text.0))?;
    // Interned; one byte per character, compact, ASCII.
    same("interned", (*ascii).state & 3 != 0, true)?;
    same("kind, compact, ascii", (*ascii).state >> 2 & 0x1f, 1 | 1 << 3 | 1 << 4)?;

    let tuple = Owned::new(ffi::PyTuple_Pack(2, text.0, float.0), "a tuple")?;
    same("tuple size", object::size(tuple.0), 2)?;
    same("tuple item", object::tuple_item(tuple.0, 1), float.0)?;
    let list = Owned::new(ffi::PySequence_List(tuple.0), "a list")?;
    same("list size", object::size(list.0), 2)?;
    same("list item", *object::list_items(list.0).add(1), float.0)?;
    let allocated = (*list.0.cast::<PyListObject>()).allocated;
    if !(2..16).contains(&allocated) {
        return Err(format!("list.allocated is {allocated}"));
    }

    // Iterators, after one step.
    let step = |iterator: &Owned| Owned::new(ffi::PyIter_Next(iterator.0), "an item").map(drop);
    let iterator = Owned::new(ffi::PyObject_GetIter(list.0), "an iterator")?;
    step(&iterator)?;
    let raw = iterator.0.cast::<ListIterObject>();
    same("list iterator", ((*raw).it_index, (*raw).it_seq), (1, list.0.cast()))?;
    let iterator = Owned::new(ffi::PyObject_GetIter(tuple.0), "an iterator")?;
    step(&iterator)?;
    let raw = iterator.0.cast::<TupleIterObject>();
    same("tuple iterator", ((*raw).it_index, (*raw).it_seq), (1, tuple.0.cast()))?;
    let dict = Owned::new(ffi::PyDict_New(), "a dict")?;
    for key in [number(1)?, number(2)?] {
        same("dict item", ffi::PyDict_SetItem(dict.0, key.0, float.0), 0)?;
    }
    let items = Owned::new(ffi::PyUnicode_FromString(c"items".as_ptr()), "a string")?;
    let view = Owned::new(ffi::PyObject_CallMethodNoArgs(dict.0, items.0), "a view")?;
    let iterator = Owned::new(ffi::PyObject_GetIter(view.0), "an iterator")?;
    step(&iterator)?;
    let raw = iterator.0.cast::<DictIterObject>();
    same("dict iterator", ((*raw).di_dict, (*raw).di_used, (*raw).di_pos, (*raw).len), (dict.0.cast(), 2, 1, 1))?;
    same("dict iterator's item", object::ty((*raw).di_result), &raw mut ffi::PyTuple_Type)?;
    let call = |class: *mut ffi::PyTypeObject, argument: &Owned| {
        let no_more = null_mut::<PyObject>();
        Owned::new(ffi::PyObject_CallFunctionObjArgs(class.cast(), argument.0, no_more), "an iterator")
    };
    let iterator = call(&raw mut ffi::PyEnum_Type, &list)?;
    step(&iterator)?;
    let raw = iterator.0.cast::<EnumObject>();
    same("enumerate", ((*raw).en_index, (*raw).en_longindex), (1, null_mut()))?;
    same("enumerate's iterator", object::ty((*raw).en_sit), &raw mut crate::PyListIter_Type)?;
    same("enumerate's item", object::ty((*raw).en_result), &raw mut ffi::PyTuple_Type)?;
    let iterator = call(&raw mut crate::PyZip_Type, &list)?;
    step(&iterator)?;
    let raw = iterator.0.cast::<ZipObject>();
    same("zip", ((*raw).tuplesize, (*raw).strict), (1, 0))?;
    same("zip's iterators", object::ty((*raw).ittuple), &raw mut ffi::PyTuple_Type)?;
    same("zip's item", object::ty((*raw).result), &raw mut ffi::PyTuple_Type)?;
    let (start, stop, by) = (number(10)?, number(22)?, number(3)?);
    let range = Owned::new(
        ffi::PyObject_CallFunctionObjArgs(
            (&raw mut ffi::PyRange_Type).cast(),
            start.0,
            stop.0,
            by.0,
            null_mut::<PyObject>(),
        ),
        "a range",
    )?;
    let iterator = Owned::new(ffi::PyObject_GetIter(range.0), "an iterator")?;
    step(&iterator)?;
    let raw = iterator.0.cast::<RangeIterObject>();
    same("range iterator", ((*raw).start, (*raw).step, (*raw).len), (13, 3, 3))
}

unsafe fn bytearrays() -> Checked {
    let bytes = Owned::new(ffi::PyByteArray_FromStringAndSize(c"hotspur".as_ptr(), 7), "a bytearray")?;
    let raw = bytes.0.cast::<ByteArrayObject>();
    same("bytearray", ((*raw).ob_base.ob_size, (*raw).ob_start), (7, ffi::PyByteArray_AsString(bytes.0)))
}

unsafe fn dictionaries() -> Checked {
    let (key, value) = (string(c"hotspur")?, number(1000)?);
    let dict = Owned::new(ffi::PyDict_New(), "a dict")?;
    ffi::PyDict_SetItem(dict.0, key.0, value.0);
    let raw = dict.0.cast::<PyDictObject>();
    same("ma_used", (*raw).ma_used, 1)?;
    same("ma_values", (*raw).ma_values, null_mut())?;
    let keys = (*raw).ma_keys;
    same("dk_refcnt", (*keys).dk_refcnt, 1)?;
    same("dk_kind", (*keys).dk_kind, DICT_KEYS_UNICODE)?;
    same("dk_nentries", (*keys).dk_nentries, 1)?;
    same("dk_version", (*keys).dk_version, 0)?;
    // Two thirds of the table are usable.
    let usable = (1 << (*keys).dk_log2_size) * 2 / 3;
    same("dk_usable", (*keys).dk_usable, usable - 1)?;
    let entry = dict::unicode_entries(keys);
    same("me_key", (*entry).me_key, key.0)?;
    same("me_value", (*entry).me_value, value.0)?;
    let version = (*raw).ma_version_tag;
    let other = number(2000)?;
    ffi::PyDict_SetItem(dict.0, key.0, other.0);
    if (*raw).ma_version_tag == version {
        return Err("ma_version_tag does not change".to_string());
    }
    same("no watchers", dict::dict_is_watched(raw), false)?;

    let dict = Owned::new(ffi::PyDict_New(), "a dict")?;
    ffi::PyDict_SetItem(dict.0, value.0, key.0);
    let keys = (*dict.0.cast::<PyDictObject>()).ma_keys;
    same("dk_kind", (*keys).dk_kind, DICT_KEYS_GENERAL)?;
    let entry = dict::general_entries(keys);
    same("me_hash", (*entry).me_hash, ffi::PyObject_Hash(value.0))?;
    same("me_key", (*entry).me_key, value.0)?;
    same("me_value", (*entry).me_value, key.0)
}

const PROGRAM: &CStr = c"\
def f(a, b=2, *, c=3):
    x = a
    def g(y: 1):
        return x
    return g
g = f(0)
def gen(a):
    yield a
it = gen(f)
p = property(f)
l = len
d = list.append
";

/// Functions, code, generators, types and instances: all from one little program.
unsafe fn code() -> Checked {
    let program = Owned::new(
        ffi::Py_CompileString(PROGRAM.as_ptr(), c"<hotspur>".as_ptr(), ffi::Py_file_input),
        "a code object",
    )?;
    let globals = Owned::new(ffi::PyDict_New(), "a dict")?;
    let name = string(c"hotspur")?;
    ffi::PyDict_SetItemString(globals.0, c"__name__".as_ptr(), name.0);
    drop(Owned::new(ffi::PyEval_EvalCode(program.0, globals.0, globals.0), "a module")?);
    let checked = functions(&globals)
        .and_then(|()| generator(&globals))
        .and_then(|()| instances(&globals))
        .and_then(|()| callables(&globals));
    // Functions refer to their globals: without this they would wait for the garbage collector.
    ffi::PyDict_Clear(globals.0);
    checked
}

unsafe fn functions(globals: &Owned) -> Checked {
    let f = item(globals, c"f")?;
    let raw = f.0.cast::<PyFunctionObject>();
    same("func_code", (*raw).func_code, ffi::PyFunction_GetCode(f.0))?;
    same("func_globals", (*raw).func_globals, globals.0)?;
    same("func_defaults", (*raw).func_defaults, ffi::PyFunction_GetDefaults(f.0))?;
    same("func_kwdefaults", (*raw).func_kwdefaults, PyFunction_GetKwDefaults(f.0))?;
    same("func_closure", (*raw).func_closure, null_mut())?;
    same("func_module", (*raw).func_module, ffi::PyFunction_GetModule(f.0))?;
    same("func_name", (*raw).func_name, f.attribute(c"__name__")?.0)?;
    same("func_qualname", (*raw).func_qualname, f.attribute(c"__qualname__")?.0)?;
    same("func_doc", (*raw).func_doc, ffi::Py_None())?;
    same("func_dict", (*raw).func_dict, null_mut())?;
    let builtins = f.attribute(c"__builtins__")?;
    same("func_builtins", (*raw).func_builtins, builtins.0)?;
    let vectorcall = ffi::PyVectorcall_Function(f.0).map(|function| function as usize);
    same("vectorcall", (*raw).vectorcall.map(|function| function as usize), vectorcall)?;
    let code = (*raw).func_code.cast::<PyCodeObject>();
    same("func_version", (*raw).func_version, (*code).co_version)?;
    if (*raw).func_version == 0 {
        return Err("func_version is 0".to_string());
    }

    let g = item(globals, c"g")?;
    let raw = g.0.cast::<PyFunctionObject>();
    let closure = (*raw).func_closure;
    same("func_closure", closure, ffi::PyFunction_GetClosure(g.0))?;
    let cell = object::tuple_item(closure, 0);
    let content = Owned::new(ffi::PyCell_Get(cell), "a cell")?;
    same("ob_ref", (*cell.cast::<PyCellObject>()).ob_ref, content.0)?;
    if (*raw).func_annotations.is_null() {
        return Err("func_annotations is null".to_string());
    }
    // Only now: the function makes its dictionary of them on demand.
    same("func_annotations", ffi::PyFunction_GetAnnotations(g.0), (*raw).func_annotations)?;

    // f has locals, a cell and several kinds of arguments; g has a free variable.
    for function in [&f, &g] {
        let object = function.attribute(c"__code__")?;
        let code = object.0.cast::<PyCodeObject>();
        for (name, found) in [
            (c"co_consts", (*code).co_consts),
            (c"co_names", (*code).co_names),
            (c"co_exceptiontable", (*code).co_exceptiontable),
            (c"co_filename", (*code).co_filename),
            (c"co_name", (*code).co_name),
            (c"co_qualname", (*code).co_qualname),
            (c"co_linetable", (*code).co_linetable),
        ] {
            same(&name.to_string_lossy(), found, object.attribute(name)?.0)?;
        }
        for (name, found) in [
            (c"co_flags", (*code).co_flags),
            (c"co_argcount", (*code).co_argcount),
            (c"co_posonlyargcount", (*code).co_posonlyargcount),
            (c"co_kwonlyargcount", (*code).co_kwonlyargcount),
            (c"co_stacksize", (*code).co_stacksize),
            (c"co_firstlineno", (*code).co_firstlineno),
            (c"co_nlocals", (*code).co_nlocals),
        ] {
            let expected = object.attribute_number(name)?;
            same(&name.to_string_lossy(), c_long::from(found), expected)?;
        }
        for (name, found) in [(c"co_cellvars", (*code).co_ncellvars), (c"co_freevars", (*code).co_nfreevars)] {
            let expected = ffi::PyObject_Size(object.attribute(name)?.0);
            same(&name.to_string_lossy(), found as Py_ssize_t, expected)?;
        }
        // Arguments that are cells count only once.
        let names = object::size((*code).co_localsplusnames);
        same("co_nlocalsplus", (*code).co_nlocalsplus as Py_ssize_t, names)?;
        let specials = offset_of!(InterpreterFrame, localsplus) / size_of::<usize>();
        same("co_framesize", (*code).co_framesize, (*code).co_nlocalsplus + (*code).co_stacksize + specials as c_int)?;
        same("_co_monitoring", (*code)._co_monitoring, null_mut())?;
        same("co_extra", (*code).co_extra, null_mut())?;
        // The bytecode, with one unit per instruction or cache entry; specialization does not touch the first ones.
        let bytes = object.attribute(c"co_code")?;
        let first = ffi::PyBytes_AsString(bytes.0).cast::<u8>();
        let units = object::code_units(code).cast::<u8>();
        same("co_code_adaptive", [*units, *units.add(1)], [*first, *first.add(1)])?;
        same("bytecode size", object::size(object.0) * 2, ffi::PyBytes_Size(bytes.0))?;
        let traceable = (*code)._co_firsttraceable;
        let resume = (0..object::size(object.0) as usize).position(|at| *first.add(2 * at) == RESUME);
        same("_co_firsttraceable", usize::try_from(traceable).ok(), resume)?;
    }
    Ok(())
}

/// `opcode.RESUME`, at which a code object's traceable part begins.
const RESUME: u8 = 149;

unsafe fn generator(globals: &Owned) -> Checked {
    let (it, function, f) = (item(globals, c"it")?, item(globals, c"gen")?, item(globals, c"f")?);
    let raw = it.0.cast::<PyGenObject>();
    same("gi_name", (*raw).gi_name, it.attribute(c"__name__")?.0)?;
    same("gi_qualname", (*raw).gi_qualname, it.attribute(c"__qualname__")?.0)?;
    same("gi_frame_state", (*raw).gi_frame_state, FRAME_CREATED)?;
    let frame = object::generator_frame(raw);
    let code = function.attribute(c"__code__")?;
    same("f_executable", (*frame).f_executable, code.0)?;
    same("f_funcobj", (*frame).f_funcobj, function.0)?;
    same("f_globals", (*frame).f_globals, globals.0)?;
    same("f_builtins", (*frame).f_builtins, function.attribute(c"__builtins__")?.0)?;
    same("f_locals", (*frame).f_locals, null_mut())?;
    same("frame_obj", (*frame).frame_obj, null_mut())?;
    same("owner", (*frame).owner, FRAME_OWNED_BY_GENERATOR)?;
    same("localsplus", *object::frame_locals(frame), f.0)?;
    let code = code.0.cast::<PyCodeObject>();
    let units = object::code_units(code);
    let before = (*frame).instr_ptr.offset_from(units);
    same("first item", Owned::new(ffi::PyIter_Next(it.0), "an item")?.0, f.0)?;
    same("gi_frame_state", (*raw).gi_frame_state, FRAME_SUSPENDED)?;
    same("gi_exc_state", (*raw).gi_exc_state.exc_value, null_mut())?;
    let after = (*frame).instr_ptr.offset_from(units);
    if !(0..after).contains(&before) || after >= object::size(code.cast()) {
        return Err(format!("instr_ptr goes from {before} to {after}"));
    }
    // Only the value that was yielded is gone from the stack.
    let depth = (*frame).stacktop - (*code).co_nlocalsplus;
    if !(0..=(*code).co_stacksize).contains(&depth) {
        return Err(format!("stacktop is {}", (*frame).stacktop));
    }
    let object = it.attribute(c"gi_frame")?;
    same("frame_obj", (*frame).frame_obj, object.0)
}

unsafe fn instances(globals: &Owned) -> Checked {
    // A class that every Python has made of Python code by now. One of our own would be a reference cycle, which the
    // program would find when it calls `gc.collect()`.
    let module = Owned::new(ffi::PyImport_ImportModule(c"_frozen_importlib".as_ptr()), "a module")?;
    let class = module.attribute(c"ModuleSpec")?;
    let t = class.as_type();
    same("AssignVersionTag", PyUnstable_Type_AssignVersionTag(t), 1)?;
    if (*t).tp_version_tag == 0 {
        return Err("tp_version_tag is 0".to_string());
    }
    let flags = object::TPFLAGS_INLINE_VALUES | object::TPFLAGS_MANAGED_DICT | object::TPFLAGS_HEAPTYPE;
    same("tp_flags", (*t).tp_flags & flags, flags)?;

    let (f, g) = (item(globals, c"f")?, item(globals, c"g")?);
    let none = ffi::Py_None();
    let arguments = Owned::new(ffi::PyTuple_Pack(2, none, none), "a tuple")?;
    let o = Owned::new(ffi::PyObject_Call(class.0, arguments.0, null_mut()), "an instance")?;
    same("no __dict__ yet", object::managed_dict(o.0), null_mut())?;
    let values = object::inline_values(o.0);
    same("embedded, valid", ((*values).embedded, (*values).valid), (1, 1))?;
    let keys = object::cached_keys(t);
    same("dk_kind", (*keys).dk_kind, DICT_KEYS_SPLIT)?;
    for (name, value) in [(c"name", &f), (c"loader", &g)] {
        ffi::PyObject_SetAttrString(o.0, name.as_ptr(), value.0);
        let name = string(name)?;
        let Some(index) = dict::find_interned(keys, name.0) else {
            return Err("ht_cached_keys has no such key".to_string());
        };
        same("inline value", *object::inline_value_slot(values, index), value.0)?;
    }
    let dict = o.attribute(c"__dict__")?;
    same("managed dict", object::managed_dict(o.0), dict.0.cast())?;
    let raw = dict.0.cast::<PyDictObject>();
    same("size", Py_ssize_t::from((*values).size), (*raw).ma_used)?;
    same("ma_keys", (*raw).ma_keys, keys)?;
    same("ma_values", (*raw).ma_values, values)
}

unsafe fn callables(globals: &Owned) -> Checked {
    let f = item(globals, c"f")?;
    let m = Owned::new(PyMethod_New(f.0, globals.0), "a method")?;
    let raw = m.0.cast::<PyMethodObject>();
    same("im_func, im_self", ((*raw).im_func, (*raw).im_self), (f.0, globals.0))?;
    let address = |function: Option<ffi::vectorcallfunc>| function.map(|function| function as usize);
    let expected = |object: &Owned| address(ffi::PyVectorcall_Function(object.0));
    same("vectorcall", address((*raw).vectorcall), expected(&m))?;

    for wrapped in [ffi::PyClassMethod_New(f.0), ffi::PyStaticMethod_New(f.0)] {
        let wrapped = Owned::new(wrapped, "a class method")?;
        same("callable", (*wrapped.0.cast::<ClassMethodObject>()).callable, f.0)?;
    }

    let property = item(globals, c"p")?;
    let raw = property.0.cast::<PropertyObject>();
    same("prop_get", (*raw).prop_get, f.0)?;
    same("prop_set", ((*raw).prop_set, (*raw).prop_del), (null_mut(), null_mut()))?;

    let len = item(globals, c"l")?;
    let raw = len.0.cast::<PyCFunctionObject>();
    same("m_ml", text((*(*raw).m_ml).ml_name), "len")?;
    same("m_self", (*raw).m_self, len.attribute(c"__self__")?.0)?;
    same("m_module", (*raw).m_module, len.attribute(c"__module__")?.0)?;
    same("vectorcall", address((*raw).vectorcall), expected(&len))?;
    let module = (*raw).m_self.cast::<PyModuleObject>();
    same("md_dict", (*module).md_dict, ffi::PyModule_GetDict(module.cast()))?;

    let append = item(globals, c"d")?;
    let raw = append.0.cast::<PyMethodDescrObject>();
    same("d_type", (*raw).d_type, &raw mut ffi::PyList_Type)?;
    same("d_name", (*raw).d_name, append.attribute(c"__name__")?.0)?;
    same("d_method", text((*(*raw).d_method).ml_name), "append")?;
    same("vectorcall", address((*raw).vectorcall), expected(&append))
}

unsafe fn text<'a>(name: *const c_char) -> &'a str {
    CStr::from_ptr(name).to_str().unwrap_or("?")
}

#[cfg(test)]
mod tests {
    // Without a Python there is nothing to check against; the tests of the root package do that. What can be shown here
    // is that the error names what it should.
    use super::*;

    #[test]
    fn error() {
        let what = same("dk_kind", 3, 1).unwrap_err();
        let error = LayoutError { python: "3.13.99".to_string(), what };
        assert_eq!(
            error.to_string(),
            "the private layout of CPython 3.13.99 is not the one that this build knows: dk_kind is 3, expected 1"
        );
    }
}
