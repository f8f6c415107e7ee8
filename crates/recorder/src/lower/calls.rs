//! Calls: well-known C functions become micro-ops, Python functions frames that exist only here. All others are left to tier 1.

use super::{Lowering, Outcome};
use crate::facts;
use crate::state::Content;
use crate::trace::Keep;
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::Value;
use hotspur_tier1::code::known_state_of;
use hotspur_tier1::context::known;
use hotspur_tier1::table::{LENGTH, op};

pub(super) unsafe fn call(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    let callable = l.real(n + 2);
    let has_receiver = !l.real(n + 1).is_null();
    let known = known();
    if callable == known.len && n == 1 && !has_receiver {
        return len(l);
    }
    if callable == known.isinstance && n == 2 && !has_receiver {
        return isinstance(l);
    }
    if callable == known.list_append && n == 1 && has_receiver {
        return append(l);
    }
    python(l, has_receiver)
}

impl Lowering<'_> {
    /// Guards that a C function is called, without a receiver or with one.
    unsafe fn guard_callable(&mut self, n: usize, has_receiver: bool) -> Option<()> {
        let real = self.real(n + 2);
        let callable = self.f.peek(n + 2)?;
        let id = self.f.object(real, Keep::Hold);
        self.guard_is(callable, real, id);
        self.guard_receiver(n, has_receiver);
        Some(())
    }

    /// Guards that there is no receiver, if there really is none.
    unsafe fn guard_receiver(&mut self, n: usize, has_receiver: bool) {
        if !has_receiver && let Some(receiver) = self.f.peek_or_null(n + 1) {
            self.decide_null(receiver, true);
            self.f.item_stays_null(n + 1);
        }
    }

    /// Ends a call: operands are dropped as tier 1 does it, arguments first.
    unsafe fn called(&mut self, n: usize, result: Value) -> Option<Outcome> {
        let mut operands: Vec<_> = (0..n + 2).map(|_| self.f.pop()).collect();
        self.f.push_value(result);
        operands.reverse();
        let callable = operands.remove(0);
        for operand in operands {
            self.f.release(operand);
        }
        self.f.release(callable);
        self.done()
    }
}

unsafe fn len(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(1);
    if !super::sequences::is_list_or_tuple(real) {
        return None;
    }
    l.guard_callable(1, false)?;
    let v = l.f.peek(1)?;
    let length = l.length_of(v, ty(real));
    let result = l.box_int(length);
    l.called(1, result)
}

/// `isinstance` with a static class. Whether an instance of some exact static type is one never changes; for one of another type only
/// the answer "yes" depends on nothing but the type's version (a "no" also asks for `__class__`).
unsafe fn isinstance(l: &mut Lowering) -> Option<Outcome> {
    let (real, class) = (l.real(2), l.real(1));
    if !ptr::eq(ty(class), &raw mut ffi::PyType_Type) || !facts::is_static(class.cast()) {
        return None;
    }
    let t = ty(real);
    let truth = ffi::PyType_IsSubtype(t, class.cast::<PyTypeObject>()) != 0;
    let version = (*t).tp_version_tag;
    if !facts::is_static(t) && (!truth || version == 0) {
        return None;
    }
    l.guard_callable(2, false)?;
    let id = l.f.object(class, Keep::Immortal);
    let v = l.f.peek(1)?;
    l.guard_is(v, class, id);
    let v = l.f.peek(2)?;
    if facts::is_static(t) {
        l.f.guard_class(v, t);
    } else {
        l.f.at();
        l.f.builder.guard_type_version(v, version);
    }
    let result = l.f.constant(if truth { ffi::Py_True() } else { ffi::Py_False() }, Keep::Immortal);
    l.called(2, result)
}

/// `list.append` of exactly a list.
unsafe fn append(l: &mut Lowering) -> Option<Outcome> {
    let class = &raw mut ffi::PyList_Type;
    if !is_type(l.real(2), class) {
        return None;
    }
    l.guard_callable(1, true)?;
    let list = l.f.peek(2)?;
    l.f.peek(1)?;
    l.f.guard_class(list, class);
    let Content::Value(v) = l.f.pop() else { return None };
    l.append(list, v)?;
    let none = l.f.constant(ffi::Py_None(), Keep::Immortal);
    let receiver = l.f.pop();
    let callable = l.f.pop();
    l.f.push_value(none);
    l.f.release(receiver);
    l.f.release(callable);
    l.done()
}

/// The arguments (borrowed) that are missing in a call with as many by position, and that the function has defaults for. None if a frame is not
/// made from these alone.
unsafe fn defaults_for(function: *mut PyFunctionObject, count: usize) -> Option<Vec<*mut PyObject>> {
    let code = (*function).func_code.cast::<PyCodeObject>();
    let other = CO_VARARGS | CO_VARKEYWORDS | CO_GENERATOR | CO_COROUTINE | CO_ITERABLE_COROUTINE | CO_ASYNC_GENERATOR;
    if (*code).co_flags & (CO_OPTIMIZED | other) != CO_OPTIMIZED || (*code).co_kwonlyargcount != 0 {
        return None;
    }
    let missing = ((*code).co_argcount as usize).checked_sub(count)?;
    if missing == 0 {
        return Some(Vec::new());
    }
    let defaults = (*function).func_defaults;
    let known = if defaults.is_null() { 0 } else { size(defaults) as usize };
    let first = known.checked_sub(missing)?;
    Some((first..known).map(|i| tuple_item(defaults, i)).collect())
}

/// A Python function, called with all its arguments by position. Its frame is not made unless something happens that can see it.
unsafe fn python(l: &mut Lowering, has_receiver: bool) -> Option<Outcome> {
    let n = l.oparg();
    let count = n + usize::from(has_receiver);
    let real = l.real(n + 2);
    let real_function = real.cast::<PyFunctionObject>();
    let is_plain = ty(real) == &raw mut PyFunction_Type
        && (*real_function).vectorcall.map_or(ptr::null(), |f| f as *const _) == known().function_vectorcall;
    if !is_plain || (*real_function).func_version == 0 {
        return None;
    }
    let real_code = (*real_function).func_code.cast::<PyCodeObject>();
    let cs = known_state_of(real_code);
    if cs.is_null() {
        return None;
    }
    let defaults = defaults_for(real_function, count)?;
    let function = l.f.peek(n + 2)?;
    if !defaults.is_empty() && !can_be_known(l, function, real) {
        return None;
    }
    let is_known = guard_function(l, function, real);
    l.guard_receiver(n, has_receiver);
    for i in 1..=count {
        l.f.peek(i)?;
    }
    let code = l.f.code(real_code);
    l.f.at();
    l.f.builder.check_stack_space(code);
    let defaults: Vec<_> = defaults
        .into_iter()
        .map(|object| {
            let keep = if is_immortal(object) { Keep::Immortal } else { Keep::Guarded };
            let v = l.f.constant(object, keep);
            Content::Value(if keep == Keep::Guarded { l.f.borrowed(v) } else { v })
        })
        .collect();
    let mut args: Vec<_> = (0..count).map(|_| l.f.pop()).collect();
    args.reverse();
    args.extend(defaults);
    if !has_receiver {
        l.f.pop();
    }
    l.f.pop();
    l.f.enter(cs, code, function, args, (*real_code).co_nlocalsplus as usize);
    if is_known {
        let namespaces = [(*real_function).func_globals, (*real_function).func_builtins];
        let values = namespaces.map(|dict| {
            let v = l.f.constant(dict, Keep::Guarded);
            l.f.info(v).held = true;
            Some(v)
        });
        l.f.top_mut().namespaces = values;
    }
    Some(Outcome::Call)
}

/// Whether it makes sense to expect the very same function again.
unsafe fn can_be_known(l: &mut Lowering, function: Value, real: *mut PyObject) -> bool {
    (*real.cast::<PyFunctionObject>()).func_closure.is_null() || l.f.info(function).constant == real
}

/// Guards what the function does. Answers whether it is known which function it is (so that its globals are known, too).
///
/// A function that was made once is compared by identity, and watched: its code and defaults stay. Closures are
/// made again and again, so theirs is the version, which stands for the code.
unsafe fn guard_function(l: &mut Lowering, function: Value, real: *mut PyObject) -> bool {
    let real_function = real.cast::<PyFunctionObject>();
    if !can_be_known(l, function, real) {
        l.f.guard_class(function, &raw mut PyFunction_Type);
        l.f.at();
        l.f.builder.guard_function_version(function, (*real_function).func_version);
        return false;
    }
    let id = l.f.object(real, Keep::Guarded);
    l.guard_is(function, real, id);
    l.f.info(function).class = &raw mut PyFunction_Type;
    if !l.f.functions.contains(&real) {
        l.f.functions.push(real);
    }
    true
}

pub(super) unsafe fn return_value(l: &mut Lowering) -> Option<Outcome> {
    let function = l.f.top().function?;
    l.f.peek(1)?;
    returned(l, function)
}

pub(super) unsafe fn return_const(l: &mut Lowering) -> Option<Outcome> {
    let function = l.f.top().function?;
    let object = *(*l.s.cs).consts.add(l.oparg());
    let keep = if is_immortal(object) { Keep::Immortal } else { Keep::Code(l.f.top().code) };
    let v = l.f.constant(object, keep);
    l.f.push_value(v);
    returned(l, function)
}

/// Leaves a frame that is not in memory. Execution goes on behind the call.
unsafe fn returned(l: &mut Lowering, function: Value) -> Option<Outcome> {
    l.f.leave(function);
    l.f.drop_dead(None);
    Some(Outcome::Next(l.position(LENGTH[usize::from(op::CALL)].into())))
}
