//! CALL.

use crate::code::{self, Word};
use crate::counter;
use crate::dispatch::State;
use crate::ops::is_plain_function;
use crate::shims;
use crate::table::op;
use ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

/// Specializes the CALL at `pc` for the callable and arguments on the stack.
#[cold]
#[inline(never)]
pub unsafe fn call(s: State) {
    let n = s.oparg();
    let callable = s.peek(n + 2);
    let has_self = !s.peek(n + 1).is_null();
    let count = n + usize::from(has_self);
    let t = ty(callable);
    if let Some(number) = crate::consumers::number(s) {
        *s.cache(1) = number as u64;
        *s.cache(2) = callable as u64;
        s.specialize(op::CALL_CONSUMER);
    } else if !shims::called(s).is_none() {
        s.specialize(op::CALL_FOR_METHOD);
    } else if t == &raw mut ffi::PyCFunction_Type {
        builtin(s, callable, count);
    } else if t == &raw mut PyFunction_Type {
        function(s, callable.cast(), count, op::CALL_PY_EXACT_ARGS, op::CALL_PY_GENERAL);
    } else if ffi::PyType_Check(callable) != 0 {
        class(s, callable.cast(), has_self);
    } else if t == &raw mut PyMethodDescr_Type {
        method_descriptor(s, callable.cast(), count);
    } else if t == &raw mut PyMethod_Type {
        let func = (*callable.cast::<PyMethodObject>()).im_func;
        if !has_self && ty(func) == &raw mut PyFunction_Type {
            function(s, func.cast(), n + 1, op::CALL_BOUND_METHOD_EXACT_ARGS, op::CALL_BOUND_METHOD_GENERAL);
        } else if !(has_self && leaving(s, func)) {
            s.give_up();
        }
    } else {
        s.specialize(op::CALL_NON_PY_GENERAL);
    }
}

/// Specializes for the call of `__exit__` at the end of a `with` statement.
unsafe fn leaving(s: State, func: *mut PyObject) -> bool {
    // A call that waits here for an `__init__` needs what is there.
    let place = &mut *s.pc.add(3);
    if !matches!(place.op, op::CACHE | op::EXIT_RETURN) || !is_plain_function(s, func) {
        return false;
    }
    let version = (*func.cast::<PyFunctionObject>()).func_version;
    if version == 0 {
        return false;
    }
    *s.cache(1) = u64::from(version);
    *place = Word { op: op::EXIT_RETURN, counter: counter::cooldown(), oparg: 3 };
    s.specialize(op::CALL_EXIT);
    true
}

unsafe fn function(s: State, func: *mut PyFunctionObject, count: usize, exact: u16, general: u16) {
    let version = (*func).func_version;
    let plain = is_plain_function(s, func.cast());
    let code = (*func).func_code.cast::<PyCodeObject>();
    let cs = code::state_of(code);
    if version == 0 || !plain || cs.is_null() {
        return s.give_up();
    }
    let simple = (*code).co_flags & (CO_OPTIMIZED | CO_VARARGS | CO_VARKEYWORDS) == CO_OPTIMIZED
        && (*code).co_kwonlyargcount == 0;
    *s.cache(2) = cs as u64;
    if simple && (*code).co_argcount as usize == count {
        *s.cache(1) = u64::from(version) | (count as u64) << 32;
        s.specialize(exact);
    } else {
        *s.cache(1) = u64::from(version);
        s.specialize(general);
    }
}

unsafe fn builtin(s: State, callable: *mut PyObject, count: usize) {
    let flags = (*(*callable.cast::<PyCFunctionObject>()).m_ml).ml_flags;
    match flags {
        ffi::METH_O if count == 1 && callable == s.known().len => s.specialize(op::CALL_LEN),
        ffi::METH_O if count == 1 => s.specialize(op::CALL_BUILTIN_O),
        ffi::METH_FASTCALL if count == 2 && callable == s.known().isinstance => s.specialize(op::CALL_ISINSTANCE),
        ffi::METH_FASTCALL => s.specialize(op::CALL_BUILTIN_FAST),
        f if f == ffi::METH_FASTCALL | ffi::METH_KEYWORDS => s.specialize(op::CALL_BUILTIN_FAST_WITH_KEYWORDS),
        _ => s.specialize(op::CALL_NON_PY_GENERAL),
    }
}

unsafe fn method_descriptor(s: State, method: *mut PyMethodDescrObject, count: usize) {
    let n = s.oparg();
    let on_its_type = count > 0 && ty(*s.sp.sub(count)) == (*method).d_type;
    match (*(*method).d_method).ml_flags {
        _ if !on_its_type => s.specialize(op::CALL_NON_PY_GENERAL),
        ffi::METH_NOARGS if count == 1 => s.specialize(op::CALL_METHOD_DESCRIPTOR_NOARGS),
        ffi::METH_O if count == 2 => {
            let statement = (*s.pc.add(4)).op == op::POP_TOP;
            if method.cast() == s.known().list_append && n == 1 && count == 2 && statement {
                s.specialize(op::CALL_LIST_APPEND);
            } else {
                s.specialize(op::CALL_METHOD_DESCRIPTOR_O);
            }
        }
        ffi::METH_FASTCALL => s.specialize(op::CALL_METHOD_DESCRIPTOR_FAST),
        f if f == ffi::METH_FASTCALL | ffi::METH_KEYWORDS => {
            s.specialize(op::CALL_METHOD_DESCRIPTOR_FAST_WITH_KEYWORDS);
        }
        _ => s.specialize(op::CALL_NON_PY_GENERAL),
    }
}

unsafe fn class(s: State, class: *mut PyTypeObject, has_self: bool) {
    let n = s.oparg();
    if has_self {
        return s.specialize(op::CALL_NON_PY_GENERAL);
    }
    if n == 1 {
        if class == &raw mut ffi::PyType_Type {
            return s.specialize(op::CALL_TYPE_1);
        }
        if class == &raw mut ffi::PyUnicode_Type {
            return s.specialize(op::CALL_STR_1);
        }
        if class == &raw mut ffi::PyTuple_Type {
            return s.specialize(op::CALL_TUPLE_1);
        }
    }
    if (*class).tp_vectorcall.is_some() && ty(class.cast()) == &raw mut ffi::PyType_Type {
        return s.specialize(op::CALL_BUILTIN_CLASS);
    }
    if python_class(s, class, n) {
        return;
    }
    let has_initializer = !shims::initialized::<false>(s).is_null();
    s.specialize(if has_initializer { op::CALL_INITIALIZER } else { op::CALL_NON_PY_GENERAL });
}

/// How many positional arguments may be left out.
unsafe fn number_of_defaults(function: *mut PyFunctionObject) -> usize {
    let defaults = (*function).func_defaults;
    if defaults.is_null() { 0 } else { size(defaults) as usize }
}

/// A class whose instances `object.__new__` makes and a plain Python function initializes.
unsafe fn python_class(s: State, class: *mut PyTypeObject, n: usize) -> bool {
    let init = shims::initializer(class, s.known());
    if init.is_null() {
        return false;
    }
    let code = (*init).func_code.cast::<PyCodeObject>();
    let simple = (*code).co_flags & (CO_OPTIMIZED | CO_VARARGS | CO_VARKEYWORDS) == CO_OPTIMIZED
        && (*code).co_kwonlyargcount == 0
        && (*code).co_argcount as usize > n
        && (*code).co_argcount as usize - (n + 1) <= number_of_defaults(init);
    if !simple
        || (*init).func_version == 0
        // A call that waits here for an `__exit__` needs what is there.
        || (*s.pc.add(3)).op == op::EXIT_RETURN
        || PyUnstable_Type_AssignVersionTag(class) == 0
        || (*class).tp_version_tag == 0
    {
        return false;
    }
    *s.cache(1) = u64::from((*class).tp_version_tag) | u64::from((*init).func_version) << 32;
    *s.cache(2) = init as u64;
    *s.pc.add(3) = Word { op: op::INIT_RETURN, counter: counter::cooldown(), oparg: 3 };
    s.specialize(op::CALL_ALLOC_AND_ENTER_INIT);
    true
}
