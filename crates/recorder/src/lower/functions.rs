//! Making functions and cells.

use super::{Lowering, Outcome};
use crate::state::Content;
use crate::trace::Keep;
use hotspur_cpython_sys::*;
use hotspur_ir::{Helper, Resume};

/// A function of a constant code object, with the globals of the frame.
pub(super) unsafe fn make_function(l: &mut Lowering) -> Option<Outcome> {
    let code = l.f.peek(1)?;
    if l.f.info(code).constant != l.real(1) {
        return None;
    }
    let globals = l.f.namespace(0)?;
    let function = l.raising(Helper::NewFunction, &[code, globals])?;
    l.f.of_class(function, &raw mut PyFunction_Type);
    let info = l.f.info(function);
    (info.made, info.globals) = (true, Some(globals));
    l.replace(1, function)
}

/// The function is new: the field is empty.
pub(super) unsafe fn set_function_attribute(l: &mut Lowering) -> Option<Outcome> {
    let function = l.f.peek(1)?;
    l.f.peek(2)?;
    if !l.f.info(function).made {
        return None;
    }
    let Content::Value(function) = l.f.pop() else { return None };
    let Content::Value(attribute) = l.f.pop() else { return None };
    let attribute = l.f.boxed(attribute);
    let attribute = l.f.take(attribute);
    let which = l.f.builder.const_i64(l.oparg() as i64);
    l.f.builder.call_helper(Helper::SetFunctionAttribute, &[function, attribute, which])?;
    l.f.push_value(function);
    l.done()
}

/// A local becomes a cell that holds what was in it.
pub(super) unsafe fn make_cell(l: &mut Lowering) -> Option<Outcome> {
    let i = l.oparg();
    let content = match l.f.local_or_null(i) {
        None => Content::Null,
        Some(v) if l.f.info(v).nullable => {
            let content = l.decide_null(v, l.real_local(i).is_null());
            if content == Content::Null {
                l.f.local_stays_null(i);
            }
            content
        }
        Some(v) => Content::Value(v),
    };
    l.f.set_local(i, Content::Null);
    let content = match content {
        Content::Value(v) => {
            let object = l.f.boxed(v);
            l.f.take(object)
        }
        Content::Null | Content::Memory => l.f.builder.const_null(),
    };
    let cell = l.f.builder.new_cell(content);
    l.f.owned(cell);
    l.f.of_class(cell, &raw mut ffi::PyCell_Type);
    l.f.set_local(i, Content::Value(cell));
    l.done()
}

/// `super().name` as a method to be called, found in a class behind the given one. What is found depends on the version of the
/// receiver's class alone, given that class.
pub(super) unsafe fn load_super_attr(l: &mut Lowering) -> Option<Outcome> {
    let (real_super, real_class, real) = (l.real(3), l.real(2), l.real(1));
    let class = ty(real);
    let is_call = l.oparg() & 1 != 0;
    if !is_call
        || real_super != (&raw mut ffi::PySuper_Type).cast()
        || ffi::PyType_Check(real_class) == 0
        || ffi::PyType_Check(real) != 0
        || !crate::facts::has_version(class)
        || ffi::PyType_IsSubtype(class, real_class.cast()) == 0
    {
        return None;
    }
    let name = l.s.name(l.oparg() >> 2);
    let bases = (*class).tp_mro;
    let at = (0..size(bases) as usize).find(|&i| tuple_item(bases, i) == real_class)?;
    let mut found = core::ptr::null_mut();
    for i in at + 1..size(bases) as usize {
        let dict = PyType_GetDict(tuple_item(bases, i).cast());
        if !dict.is_null() {
            // The key is an interned string: no code runs.
            found = ffi::PyDict_GetItemWithError(dict, name);
            decref(dict);
        }
        if !found.is_null() {
            break;
        }
    }
    // None of these is bound where a call follows; anything else would be.
    let unbound = [&raw mut PyFunction_Type, &raw mut ffi::PyWrapperDescr_Type, &raw mut PyMethodDescr_Type];
    if found.is_null() || !unbound.contains(&ty(found)) {
        return None;
    }
    let (super_, of, receiver) = (l.f.peek(3)?, l.f.peek(2)?, l.f.peek(1)?);
    let id = l.f.object(real_super, Keep::Immortal);
    l.guard_is(super_, real_super, id);
    // Another class at its address would be noticed: this one is in the order in which the receiver's is searched.
    let id = l.f.object(real_class, Keep::Guarded);
    l.guard_version(receiver, real, (*class).tp_version_tag);
    l.guard_is(of, real_class, id);
    let function = l.type_constant(class, found);
    l.f.info(function).class = ty(found);
    let (receiver, of, super_) = (l.f.pop(), l.f.pop(), l.f.pop());
    l.f.push_value(function);
    l.f.push(receiver);
    l.f.release(of);
    l.f.release(super_);
    l.done()
}

/// Whether formatting an object and converting it to a string runs no other code: a number that is not large, a string, a truth value, None.
unsafe fn is_plain(op: *mut hotspur_cpython_sys::ffi::PyObject) -> bool {
    let is_small = crate::facts::is_int(op) && long_is_wide(op);
    is_small
        || crate::facts::is_str(op)
        || crate::facts::is_float(op)
        || is_type(op, &raw mut ffi::PyBool_Type)
        || op == ffi::Py_None()
}

impl Lowering<'_> {
    /// The operand `n` from the top, guarded to be plain as it really is.
    unsafe fn plain(&mut self, n: usize) -> Option<hotspur_ir::Value> {
        let real = self.real(n);
        if !is_plain(real) {
            return None;
        }
        let v = self.exact(n)?;
        if crate::facts::is_int(real) {
            self.wide(v);
        }
        Some(v)
    }
}

pub(super) unsafe fn format_simple(l: &mut Lowering) -> Option<Outcome> {
    let v = l.plain(1)?;
    if crate::facts::is_str(l.real(1)) {
        return l.done();
    }
    let none = l.f.builder.const_null();
    let result = l.raising(Helper::QuietFormat, &[v, none])?;
    l.f.of_class(result, &raw mut ffi::PyUnicode_Type);
    l.replace(1, result)
}

pub(super) unsafe fn format_with_spec(l: &mut Lowering) -> Option<Outcome> {
    if !crate::facts::is_str(l.real(1)) {
        return None;
    }
    let (v, spec) = (l.plain(2)?, l.exact(1)?);
    let result = l.raising(Helper::QuietFormat, &[v, spec])?;
    l.f.of_class(result, &raw mut ffi::PyUnicode_Type);
    l.replace(2, result)
}

pub(super) unsafe fn convert_value(l: &mut Lowering) -> Option<Outcome> {
    let v = l.plain(1)?;
    let which = l.f.builder.const_i64(l.oparg() as i64);
    let result = l.raising(Helper::QuietConvert, &[v, which])?;
    l.f.of_class(result, &raw mut ffi::PyUnicode_Type);
    l.replace(1, result)
}

/// The strings are joined one after the other.
pub(super) unsafe fn build_string(l: &mut Lowering) -> Option<Outcome> {
    const MANY: usize = 8;
    let n = l.oparg();
    if !(2..=MANY).contains(&n) || !(1..=n).all(|i| crate::facts::is_str(l.real(i))) {
        return None;
    }
    let strings: Vec<_> = (1..=n).rev().map(|i| l.exact(i)).collect::<Option<_>>()?;
    l.f.snapshot(Resume::Raise);
    let empty = l.f.builder.const_null();
    let args: Vec<_> = [empty].into_iter().chain(strings).collect();
    let result = l.f.builder.call_helper(Helper::JoinStrings, &args)?;
    l.f.builder.check_error(result);
    l.f.owned(result);
    l.f.of_class(result, &raw mut ffi::PyUnicode_Type);
    l.replace(n, result)
}
