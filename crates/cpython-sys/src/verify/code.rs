//! Functions, code, generators, types and instances: all from one little program.

use super::{Checked, Owned, item, same, string};
use crate::layout::*;
use crate::{dict, object};
use core::ffi::{CStr, c_char, c_int, c_long};
use core::mem::offset_of;
use core::ptr::null_mut;
use pyo3_ffi::{self as ffi, Py_ssize_t, PyObject, PyTypeObject};

unsafe extern "C-unwind" {
    fn PyUnstable_Type_AssignVersionTag(t: *mut PyTypeObject) -> c_int;
    fn PyMethod_New(function: *mut PyObject, receiver: *mut PyObject) -> *mut PyObject;
    fn PyFunction_GetKwDefaults(op: *mut PyObject) -> *mut PyObject;
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

pub(super) unsafe fn code() -> Checked {
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
