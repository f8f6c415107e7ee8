//! The offsets that CPython publishes.

use super::{Checked, same};
use crate::layout::*;
use core::mem::offset_of;
use pyo3_ffi::{self as ffi, PyObject, PyTypeObject, PyVarObject};

/// `_Py_DebugOffsets`, as far as 3.13 has it: a cookie and then 64-bit numbers.
#[repr(C)]
pub(super) struct DebugOffsets {
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
    pub(super) static _PyRuntime: DebugOffsets;
}

/// The offsets that CPython publishes, for all that this crate declares.
pub(super) fn published(offsets: &DebugOffsets) -> Checked {
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
        "interpreter_state.gc": offsets.interpreter_state[4] => crate::INTERP_GC_OFFSET;
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
