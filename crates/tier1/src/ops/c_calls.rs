//! Calls of C functions, methods of built-in types, and those types themselves: by their calling convention, or, for some that are
//! well known, by doing what they do.

use super::calls::{CALL, CALL_LENGTH, Operands};
use crate::dispatch::{Ret, State};
use crate::{handler, polymorphic, shims};
use core::ffi::c_int;
use core::ptr;
use ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

handler! {
    CALL_TYPE_1(s) {
        let arg = s.peek(1);
        let callable = s.peek(3);
        if !s.peek(2).is_null() || callable != (&raw mut ffi::PyType_Type).cast() {
            return s.tail(CALL);
        }
        let t = ty(arg).cast::<PyObject>();
        s.shrink(2);
        s.put(1, newref(t));
        // `type` itself is a static type: its reference needs no counting.
        s.decref_then_next(arg, CALL_LENGTH)
    }

    CALL_STR_1(s) {
        let arg = s.peek(1);
        if !s.peek(2).is_null() || s.peek(3) != (&raw mut ffi::PyUnicode_Type).cast() {
            return s.tail(CALL);
        }
        s.save_ip();
        let result = ffi::PyObject_Str(arg);
        s.finish_conversion(arg, result)
    }

    CALL_TUPLE_1(s) {
        let arg = s.peek(1);
        if !s.peek(2).is_null() || s.peek(3) != (&raw mut ffi::PyTuple_Type).cast() {
            return s.tail(CALL);
        }
        s.save_ip();
        let result = ffi::PySequence_Tuple(arg);
        s.finish_conversion(arg, result)
    }

    CALL_BUILTIN_CLASS(s) {
        let operands = s.call_operands();
        if ffi::PyType_Check(operands.callable) == 0 {
            return s.tail(CALL);
        }
        let Some(call) = (*operands.callable.cast::<PyTypeObject>()).tp_vectorcall else {
            return s.tail(CALL);
        };
        s.save_ip();
        let result = call(operands.callable, operands.args, operands.count, ptr::null_mut());
        s.finish_call(operands, result)
    }

    CALL_BUILTIN_O(s) {
        let operands = s.call_operands();
        if operands.count != 1 || !is_builtin(operands.callable, ffi::METH_O) {
            return s.tail(CALL);
        }
        let ts = s.tstate();
        if (*ts).c_recursion_remaining <= 0 {
            return s.tail(CALL);
        }
        s.save_ip();
        let function = operands.callable.cast::<PyCFunctionObject>();
        (*ts).c_recursion_remaining -= 1;
        let result = ((*(*function).m_ml).ml_meth.PyCFunction)((*function).m_self, *operands.args);
        (*ts).c_recursion_remaining += 1;
        s.finish_call(operands, result)
    }

    CALL_BUILTIN_FAST(s) {
        let operands = s.call_operands();
        if !is_builtin(operands.callable, ffi::METH_FASTCALL) {
            return s.tail(CALL);
        }
        s.save_ip();
        let function = operands.callable.cast::<PyCFunctionObject>();
        let call: FastCFunction = core::mem::transmute((*(*function).m_ml).ml_meth.PyCFunction);
        let result = call((*function).m_self, operands.args, operands.count as isize);
        s.finish_call(operands, result)
    }

    CALL_BUILTIN_FAST_WITH_KEYWORDS(s) {
        let operands = s.call_operands();
        if !is_builtin(operands.callable, ffi::METH_FASTCALL | ffi::METH_KEYWORDS) {
            return s.tail(CALL);
        }
        s.save_ip();
        let function = operands.callable.cast::<PyCFunctionObject>();
        let call: FastKwCFunction = core::mem::transmute((*(*function).m_ml).ml_meth.PyCFunction);
        let result = call((*function).m_self, operands.args, operands.count as isize, ptr::null_mut());
        s.finish_call(operands, result)
    }

    CALL_LEN(s) {
        let operands = s.call_operands();
        if operands.count != 1 || operands.callable != s.known().len {
            return s.tail(CALL);
        }
        let arg = *operands.args;
        let t = ty(arg);
        if t == &raw mut ffi::PyList_Type || t == &raw mut ffi::PyTuple_Type {
            let len = size(arg);
            if len <= 256 && refcnt(arg) != 1 && refcnt(operands.callable) != 1 {
                decref_no_dealloc(arg);
                decref_no_dealloc(operands.callable);
                s.shrink(s.oparg() + 2);
                s.push(s.known().small_ints.offset(len + 5).cast());
                return s.next(CALL_LENGTH);
            }
        }
        s.tail(call_len_slow)
    }

    call_len_slow(s) {
        s.save_ip();
        let found = shims::called(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        let operands = s.call_operands();
        let len = ffi::PyObject_Size(*operands.args);
        if len < 0 {
            return s.error();
        }
        let result = ffi::PyLong_FromSsize_t(len);
        if result.is_null() {
            return s.error();
        }
        s.finish_call_without_events(operands, result)
    }

    CALL_ISINSTANCE(s) {
        let operands = s.call_operands();
        if operands.count != 2 || operands.callable != s.known().isinstance {
            return s.tail(CALL);
        }
        s.save_ip();
        let (op, class) = (*operands.args, *operands.args.add(1));
        let is = match polymorphic::is_instance(op, class) {
            Some(is) => is,
            None => match ffi::PyObject_IsInstance(op, class) {
                0 => false,
                is if is < 0 => return s.error(),
                _ => true,
            },
        };
        let result = if is { s.known().true_ } else { s.known().false_ };
        s.finish_call_without_events(operands, result)
    }

    /// `list.append(x)` as a statement: the POP_TOP behind it is done, too.
    CALL_LIST_APPEND(s) {
        let list = s.peek(2).cast::<PyListObject>();
        let callable = s.peek(3);
        if callable != s.known().list_append || list.is_null() || ffi::PyList_Check(list.cast()) == 0 {
            return s.tail(CALL);
        }
        let len = size(list.cast());
        if (*list).allocated > len && refcnt(list.cast()) != 1 {
            *(*list).ob_item.offset(len) = s.peek(1);
            (*list).ob_base.ob_size = len + 1;
            decref_no_dealloc(list.cast());
            decref_no_dealloc(callable);
            s.shrink(3);
            return s.next(CALL_LENGTH + 1);
        }
        s.tail(call_list_append_slow)
    }

    call_list_append_slow(s) {
        s.save_ip();
        let list = s.peek(2).cast::<PyListObject>();
        let callable = s.peek(3);
        let item = s.pop();
        if _PyList_AppendTakeRefListResize(list, item) < 0 {
            return s.error();
        }
        s.shrink(2);
        decref(list.cast());
        decref(callable);
        s.next_escaped(CALL_LENGTH + 1)
    }

    CALL_METHOD_DESCRIPTOR_O(s) {
        let operands = s.call_operands();
        if operands.count != 2 || !is_method_descriptor(operands, ffi::METH_O) {
            return s.tail(CALL);
        }
        let ts = s.tstate();
        if (*ts).c_recursion_remaining <= 0 {
            return s.tail(CALL);
        }
        s.save_ip();
        (*ts).c_recursion_remaining -= 1;
        let result = (method_pointer(operands).PyCFunction)(*operands.args, *operands.args.add(1));
        (*ts).c_recursion_remaining += 1;
        s.finish_call(operands, result)
    }

    CALL_METHOD_DESCRIPTOR_NOARGS(s) {
        let operands = s.call_operands();
        if operands.count != 1 || !is_method_descriptor(operands, ffi::METH_NOARGS) {
            return s.tail(CALL);
        }
        let ts = s.tstate();
        if (*ts).c_recursion_remaining <= 0 {
            return s.tail(CALL);
        }
        s.save_ip();
        (*ts).c_recursion_remaining -= 1;
        let result = (method_pointer(operands).PyCFunction)(*operands.args, ptr::null_mut());
        (*ts).c_recursion_remaining += 1;
        s.finish_call(operands, result)
    }

    CALL_METHOD_DESCRIPTOR_FAST(s) {
        let operands = s.call_operands();
        if operands.count == 0 || !is_method_descriptor(operands, ffi::METH_FASTCALL) {
            return s.tail(CALL);
        }
        s.save_ip();
        let call: FastCFunction = core::mem::transmute(method_pointer(operands).PyCFunction);
        let result = call(*operands.args, operands.args.add(1), operands.count as isize - 1);
        s.finish_call(operands, result)
    }

    CALL_METHOD_DESCRIPTOR_FAST_WITH_KEYWORDS(s) {
        let operands = s.call_operands();
        if operands.count == 0 || !is_method_descriptor(operands, ffi::METH_FASTCALL | ffi::METH_KEYWORDS) {
            return s.tail(CALL);
        }
        s.save_ip();
        let call: FastKwCFunction = core::mem::transmute(method_pointer(operands).PyCFunction);
        let result = call(*operands.args, operands.args.add(1), operands.count as isize - 1, ptr::null_mut());
        s.finish_call(operands, result)
    }
}

impl State {
    /// Ends `str(x)` and `tuple(x)`: the types called are static, so only the argument is dropped.
    #[inline(always)]
    unsafe fn finish_conversion(mut self, arg: *mut PyObject, result: *mut PyObject) -> Ret {
        decref(arg);
        self.shrink(3);
        if result.is_null() {
            return self.error();
        }
        self.push(result);
        self.next_periodic(CALL_LENGTH)
    }

    /// [`State::finish_call`] for the calls that CPython does not follow by its periodic check.
    #[inline(always)]
    unsafe fn finish_call_without_events(mut self, operands: Operands, result: *mut PyObject) -> Ret {
        for i in 0..operands.count {
            decref(*operands.args.add(i));
        }
        decref(operands.callable);
        self.sp = self.sp.sub(self.oparg() + 2);
        self.push(result);
        self.next_escaped(CALL_LENGTH)
    }
}

/// Whether `callable` is a built-in function with this calling convention.
#[inline(always)]
unsafe fn is_builtin(callable: *mut PyObject, flags: c_int) -> bool {
    ty(callable) == &raw mut ffi::PyCFunction_Type && (*(*callable.cast::<PyCFunctionObject>()).m_ml).ml_flags == flags
}

/// Whether the callable is a method of a built-in type with this calling convention, called on that very type.
#[inline(always)]
unsafe fn is_method_descriptor(operands: Operands, flags: c_int) -> bool {
    let method = operands.callable.cast::<PyMethodDescrObject>();
    ty(operands.callable) == &raw mut PyMethodDescr_Type
        && (*(*method).d_method).ml_flags == flags
        && ty(*operands.args) == (*method).d_type
}

#[inline(always)]
unsafe fn method_pointer(operands: Operands) -> ffi::PyMethodDefPointer {
    (*(*operands.callable.cast::<PyMethodDescrObject>()).d_method).ml_meth
}
