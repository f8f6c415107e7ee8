//! Imports.

use crate::dispatch::State;
use crate::handler;
use crate::ops::names::optional_item;
use core::ffi::{CStr, c_int};
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

unsafe extern "C-unwind" {
    fn PyLong_AsInt(op: *mut PyObject) -> c_int;
}

/// What came of looking for a name in a module.
enum Outcome {
    /// A new reference.
    Found(*mut PyObject),
    /// An exception is set.
    Failed,
    /// There is none, nothing happened, and looking again would not have any effect either.
    Missing,
}

/// Imports a module; null on an error.
#[inline(never)]
unsafe fn import_name(s: State, name: *mut PyObject, fromlist: *mut PyObject, level: *mut PyObject) -> *mut PyObject {
    let frame = s.frame;
    let (found, import) = optional_item((*frame).f_builtins, s.known().name_import);
    if found <= 0 {
        if found == 0 {
            ffi::PyErr_SetString(ffi::PyExc_ImportError, c"__import__ not found".as_ptr());
        }
        return ptr::null_mut();
    }
    let locals = if (*frame).f_locals.is_null() { s.known().none } else { (*frame).f_locals };
    if import == s.known().default_import {
        decref(import);
        let level = PyLong_AsInt(level);
        if level == -1 && !(*s.tstate()).current_exception.is_null() {
            return ptr::null_mut();
        }
        return ffi::PyImport_ImportModuleLevelObject(name, (*frame).f_globals, locals, fromlist, level);
    }
    let args = [name, (*frame).f_globals, locals, fromlist, level];
    let module = ffi::PyObject_Vectorcall(import, args.as_ptr(), args.len(), ptr::null_mut());
    decref(import);
    module
}

/// `PyObject_GetOptionalAttr`: 1 and a new reference, 0 if there is none, -1 on an error (null both times).
unsafe fn optional_attr(op: *mut PyObject, name: *mut PyObject) -> (c_int, *mut PyObject) {
    let mut value = ptr::null_mut();
    let found = ffi::PyObject_GetOptionalAttr(op, name, &mut value);
    (found, value)
}

/// `from module import name`.
#[inline(never)]
unsafe fn import_from(s: State, module: *mut PyObject, name: *mut PyObject) -> Outcome {
    let (found, value) = optional_attr(module, name);
    if found != 0 {
        return if found > 0 { Outcome::Found(value) } else { Outcome::Failed };
    }
    // A submodule that is in the middle of being imported is in `sys.modules`, but not yet an attribute of its package.
    let (found, mut module_name) = optional_attr(module, s.known().name_name);
    if found < 0 {
        return Outcome::Failed;
    }
    if found > 0 && !has_feature(ty(module_name), ffi::Py_TPFLAGS_UNICODE_SUBCLASS) {
        decref(module_name);
        module_name = ptr::null_mut();
    }
    if !module_name.is_null() {
        let full_name = ffi::PyUnicode_FromFormat(c"%U.%U".as_ptr(), module_name, name);
        let submodule = if full_name.is_null() { ptr::null_mut() } else { ffi::PyImport_GetModule(full_name) };
        xdecref(full_name);
        if !submodule.is_null() || !(*s.tstate()).current_exception.is_null() {
            decref(module_name);
            return if submodule.is_null() { Outcome::Failed } else { Outcome::Found(submodule) };
        }
    }
    if is_plain_module(module, s.known().name_getattr) {
        xdecref(module_name);
        return Outcome::Missing;
    }
    let stand_in = stand_in(s, module, module_name);
    xdecref(module_name);
    if !stand_in.is_null() {
        import_from_stand_in(stand_in, name);
        decref(stand_in);
    }
    Outcome::Failed
}

/// Whether looking for a name that `module` does not have runs no Python code.
unsafe fn is_plain_module(module: *mut PyObject, name_getattr: *mut PyObject) -> bool {
    is_type(module, &raw mut ffi::PyModule_Type)
        && ffi::PyDict_Contains((*module.cast::<PyModuleObject>()).md_dict, name_getattr) == 0
}

/// Sets or, for a null value, removes an item.
unsafe fn put(dict: *mut PyObject, key: &CStr, value: *mut PyObject) -> bool {
    if value.is_null() {
        return ffi::PyDict_DelItemString(dict, key.as_ptr()) == 0;
    }
    ffi::PyDict_SetItemString(dict, key.as_ptr(), value) == 0
}

/// A plain module that differs from `module` (which is none, so that it may not be asked for the name again) in nothing
/// that goes into the message of the ImportError. Null on an error.
unsafe fn stand_in(s: State, module: *mut PyObject, module_name: *mut PyObject) -> *mut PyObject {
    let (found, spec) = optional_attr(module, s.known().name_spec);
    if found < 0 {
        return ptr::null_mut();
    }
    let stand_in = ffi::PyModule_New(c"".as_ptr());
    if !stand_in.is_null() {
        let dict = ffi::PyModule_GetDict(stand_in);
        let mut done = put(dict, c"__name__", module_name) && put(dict, c"__spec__", spec);
        if done && ffi::PyModule_Check(module) != 0 {
            // Borrowed.
            let file = ffi::PyDict_GetItemString((*module.cast::<PyModuleObject>()).md_dict, c"__file__".as_ptr());
            done = file.is_null() || put(dict, c"__file__", file);
        }
        if !done {
            xdecref(spec);
            decref(stand_in);
            return ptr::null_mut();
        }
    }
    xdecref(spec);
    stand_in
}

unsafe extern "C" fn return_self(this: *mut PyObject, _args: *mut PyObject) -> *mut PyObject {
    newref(this)
}

static mut RETURN_SELF: ffi::PyMethodDef = ffi::PyMethodDef {
    ml_name: c"__import__".as_ptr(),
    ml_meth: ffi::PyMethodDefPointer { PyCFunction: return_self },
    ml_flags: ffi::METH_VARARGS,
    ml_doc: ptr::null(),
};

/// Raises the ImportError that CPython raises for a name that a plain module does not have, by having CPython import it in
/// a frame made for that: the text of the message differs between the releases of 3.13.
#[cold]
unsafe fn import_from_stand_in(stand_in: *mut PyObject, name: *mut PyObject) {
    let mut code = ptr::null_mut();
    let source = ffi::PyUnicode_FromFormat(c"from m import %U".as_ptr(), name);
    if !source.is_null() {
        let utf8 = ffi::PyUnicode_AsUTF8(source);
        if !utf8.is_null() {
            code = ffi::Py_CompileString(utf8, c"<import>".as_ptr(), ffi::Py_file_input);
        }
        decref(source);
    }
    let globals = ffi::PyDict_New();
    let builtins = ffi::PyDict_New();
    let import = ffi::PyCFunction_NewEx(&raw mut RETURN_SELF, stand_in, ptr::null_mut());
    if !code.is_null()
        && !globals.is_null()
        && !builtins.is_null()
        && !import.is_null()
        && put(builtins, c"__import__", import)
        && put(globals, c"__builtins__", builtins)
    {
        let result = ffi::PyEval_EvalCode(code, globals, globals);
        if result.is_null() {
            let exception = ffi::PyErr_GetRaisedException();
            // The auxiliary frame is nobody's business.
            ffi::PyException_SetTraceback(exception, ffi::Py_None());
            ffi::PyErr_SetRaisedException(exception);
        } else {
            // What every module has by its type, the stand-in has too.
            decref(result);
            ffi::PyErr_Format(ffi::PyExc_ImportError, c"cannot import name %R".as_ptr(), name);
        }
    }
    xdecref(code);
    xdecref(globals);
    xdecref(builtins);
    xdecref(import);
}

handler! {
    IMPORT_NAME(s) {
        s.save_ip();
        let (level, fromlist) = (s.peek(2), s.peek(1));
        let module = import_name(s, s.name(s.oparg()), fromlist, level);
        s.shrink(2);
        decref(level);
        decref(fromlist);
        if module.is_null() {
            return s.error();
        }
        s.push(module);
        s.next_escaped(1)
    }

    IMPORT_FROM(s) {
        s.save_ip();
        match import_from(s, s.peek(1), s.name(s.oparg())) {
            Outcome::Found(value) => {
                s.push(value);
                s.next_escaped(1)
            }
            Outcome::Failed => s.error(),
            // The stock interpreter knows what to say.
            Outcome::Missing => s.tail(crate::eval::hand_over),
        }
    }
}
