//! Calls: well-known C functions become micro-ops, Python functions frames that exist only here. All others are left to tier 1.

use super::arrays::Array;
use super::binding::{bind, has_defaults, in_dictionaries};
use super::{Lowering, Outcome};
use crate::state::{Content, Frames};
use crate::trace::Keep;
use crate::{facts, history};
use core::mem::offset_of;
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::{CodeRef, Cond, Helper, Value};
use hotspur_tier1::code::{CodeState, known_state_of};
use hotspur_tier1::consumers;
use hotspur_tier1::context::known;
use hotspur_tier1::polymorphic;
use hotspur_tier1::shims;
use hotspur_tier1::table::{INFO, LENGTH, flag, op};

/// Where INIT_RETURN is, in words behind the call of a class; EXIT_RETURN, behind that of `__exit__`.
pub(super) const INIT_RETURN: usize = 3;

pub(super) unsafe fn call(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    let callable = l.real(n + 2);
    let has_receiver = !l.real(n + 1).is_null();
    let known = known();
    if l.op() == op::CALL_CONSUMER && consumers::consumer(l.s).is_some() {
        return super::shims::consumer(l);
    }
    if callable == known.len && n == 1 && !has_receiver && super::sequences::has_length_of_list_or_tuple(l.real(1)) {
        return len(l);
    }
    if callable == known.len
        && n == 1
        && !has_receiver
        && let Some(array) = Array::seen(l.real(1))
    {
        return array_len(l, array);
    }
    if callable == known.isinstance && n == 2 && !has_receiver {
        let told = isinstance(l);
        // Otherwise the class is asked, by C code.
        return if told.is_some() { told } else { super::c_calls::call(l) };
    }
    if callable == known.list_append && n == 1 && has_receiver {
        return append(l);
    }
    let range = super::ranges::call(l);
    if range.is_some() {
        return range;
    }
    let reversed = super::ranges::reversed(l);
    if reversed.is_some() {
        return reversed;
    }
    if ty(callable) == &raw mut PyFunction_Type {
        return python(l, n, 0, has_receiver, &[]);
    }
    if ty(callable) == &raw mut PyMethod_Type {
        return if has_receiver { leaving(l) } else { method(l) };
    }
    if l.op() == op::CALL_ALLOC_AND_ENTER_INIT {
        return super::instances::instantiate(l, has_receiver);
    }
    if l.op() == op::CALL_INITIALIZER {
        let init = shims::initialized::<false>(l.s);
        return if init.is_null() { None } else { super::instances::instantiate_on_shim(l, init, 0, &[]) };
    }
    if !shims::callable(l.s, n).is_null() {
        return instance(l);
    }
    if n == 1 && !has_receiver && callable == shims::checked_iterator() {
        return super::shims::checked_iterator(l);
    }
    if n == 1 && !has_receiver && callable == shims::checked_length() {
        return super::shims::checked_length(l);
    }
    if n == 3 && !has_receiver && [shims::is_in(), shims::item_of()].contains(&callable) {
        let found = super::shims::hashed(l);
        return if found.is_some() { found } else { super::c_calls::call(l) };
    }
    let shim = super::shims::called(l);
    if shim.is_some() {
        return shim;
    }
    let known = super::builtin_calls::call(l, has_receiver);
    if known.is_some() { known } else { super::c_calls::call(l) }
}

impl Lowering<'_> {
    /// Guards that a C function is called, without a receiver or with one.
    pub(super) unsafe fn guard_callable(&mut self, n: usize, has_receiver: bool) -> Option<()> {
        let real = self.real(n + 2);
        let callable = self.f.peek(n + 2)?;
        let id = self.f.object(real, Keep::Hold);
        self.guard_is(callable, real, id);
        self.guard_receiver(n, has_receiver);
        Some(())
    }

    /// Guards that there is no receiver, if there really is none.
    pub(super) unsafe fn guard_receiver(&mut self, n: usize, has_receiver: bool) {
        if !has_receiver && let Some(receiver) = self.f.peek_or_null(n + 1) {
            self.decide_null(receiver, true);
            self.f.item_stays_null(n + 1);
        }
    }

    /// Takes `n` arguments, and the null below them, off the stack: they are passed behind this first one.
    pub(super) fn arguments_behind(&mut self, first: Value, n: usize) -> Vec<Content> {
        let mut arguments: Vec<_> = (0..n).map(|_| self.f.pop()).collect();
        self.f.pop();
        arguments.push(Content::Value(first));
        arguments.reverse();
        arguments
    }

    /// Ends a call: operands are dropped as tier 1 does it, arguments first.
    pub(super) unsafe fn called(&mut self, n: usize, result: Value) -> Option<Outcome> {
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

unsafe fn array_len(l: &mut Lowering, array: Array) -> Option<Outcome> {
    let real = l.real(1);
    l.guard_callable(1, false)?;
    let v = l.f.peek(1)?;
    let length = l.array_len(v, real, array);
    let result = l.box_int(length);
    l.called(1, result)
}

unsafe fn len(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(1);
    l.guard_callable(1, false)?;
    let v = l.f.peek(1)?;
    let length = l.length_of_real(v, real);
    let result = l.box_int(length);
    l.called(1, result)
}

/// `isinstance` with a class whose metaclass is `type`. Whether an instance of some exact static type is one never changes; for one of
/// another type that depends on the type's version, as long as its `__class__` is what `object` makes of it.
unsafe fn isinstance(l: &mut Lowering) -> Option<Outcome> {
    let (real, class) = (l.real(2), l.real(1));
    if !ptr::eq(ty(class), &raw mut ffi::PyType_Type) {
        return isinstance_of_any(l);
    }
    let v = l.f.peek(1)?;
    let t = ty(real);
    let truth = ffi::PyType_IsSubtype(t, class.cast::<PyTypeObject>()) != 0;
    let version = (*t).tp_version_tag;
    if !facts::is_static(t) && (!facts::has_version(t) || !truth && !has_usual_class(t)) {
        return None;
    }
    l.guard_callable(2, false)?;
    l.know_class(v, class)?;
    let v = l.f.peek(2)?;
    let v = l.f.boxed(v);
    if facts::is_static(t) {
        l.f.guard_class(v, t);
    } else {
        l.f.at();
        l.f.builder.guard_type_version(v, version);
    }
    let result = l.f.constant(if truth { ffi::Py_True() } else { ffi::Py_False() }, Keep::Immortal);
    l.called(2, result)
}

/// `isinstance` of whatever it is, with a class or a tuple of classes.
pub(super) unsafe fn isinstance_of_any(l: &mut Lowering) -> Option<Outcome> {
    let is_call_of_it = l.oparg() == 2 && l.real(4) == known().isinstance && l.real(3).is_null();
    if !is_call_of_it || polymorphic::is_instance(l.real(2), l.real(1)).is_none() {
        return None;
    }
    l.guard_callable(2, false)?;
    let (v, class) = (l.f.peek(2)?, l.f.peek(1)?);
    let args = [l.f.boxed(v), l.f.boxed(class)];
    let truth = l.truth_told(Helper::AnyInstance, &args, Cond::Ne)?;
    l.called(2, truth)
}

/// Whether `x.__class__` of instances of a type is the type.
unsafe fn has_usual_class(t: *mut PyTypeObject) -> bool {
    let object = &raw mut ffi::PyBaseObject_Type;
    let class = facts::found_in(object, c"__class__");
    let is_same = !class.is_null() && facts::found_in(t, c"__class__") == class;
    is_same && (*t).tp_getattro.map(|f| f as usize) == (*object).tp_getattro.map(|f| f as usize)
}

/// `list.append` of a list, or an instance of a subclass.
unsafe fn append(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(2);
    if !super::sequences::is_a_list(real) {
        return None;
    }
    l.guard_callable(1, true)?;
    let list = l.f.peek(2)?;
    l.f.peek(1)?;
    l.guard_version(list, real, (*ty(real)).tp_version_tag);
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

/// A call of a Python function. Its frame is not made unless something happens that can see it. On the stack are the function, a receiver or
/// null, `n` arguments, the last of which have these names, and `above` further operands.
unsafe fn python(
    l: &mut Lowering,
    n: usize,
    above: usize,
    has_receiver: bool,
    names: &[*mut PyObject],
) -> Option<Outcome> {
    let count = n + usize::from(has_receiver);
    let at = n + above + 2;
    let real = l.real(at);
    let (real_function, cs) = plain(real)?;
    let real_code = (*real_function).func_code.cast::<PyCodeObject>();
    let sources = bind(real_function, count - names.len(), names)?;
    let function = l.f.peek(at)?;
    if has_defaults(&sources) && !can_be_known(l, function, real) {
        return None;
    }
    let is_known = guard_function(l, function, real);
    l.guard_receiver(at - 2, has_receiver);
    for i in 1..=above + count {
        l.f.peek(i)?;
    }
    let code = l.f.code(real_code);
    let kept = in_dictionaries(&sources);
    let sources = l.prepared(sources, above + count)?;
    let further: Vec<_> = (0..above).map(|_| l.f.pop()).collect();
    let mut arguments: Vec<_> = (0..count).map(|_| l.f.pop()).collect();
    arguments.reverse();
    if !has_receiver {
        l.f.pop();
    }
    l.f.pop();
    let locals = l.bound(sources, &arguments);
    enter(l, real_function, cs, code, function, locals, is_known);
    for content in kept.into_iter().map(|i| arguments[i]).chain(further) {
        l.f.release(content);
    }
    l.f.drop_dead(Some(0));
    Some(Outcome::Call)
}

/// CALL_KW: the names of the last arguments are a constant.
pub(super) unsafe fn call_kw(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    let names = l.real(1);
    let v = l.f.peek(1)?;
    if l.f.info(v).constant != names || !is_type(names, &raw mut ffi::PyTuple_Type) {
        return None;
    }
    let all: Vec<_> = (0..size(names) as usize).map(|i| tuple_item(names, i)).collect();
    let has_receiver = !l.real(n + 2).is_null();
    let init = shims::initialized::<true>(l.s);
    if !init.is_null() {
        return super::instances::instantiate_on_shim(l, init, 1, &all);
    }
    if ty(l.real(n + 3)) != &raw mut PyFunction_Type {
        return super::c_calls::call_kw(l);
    }
    python(l, n, 1, has_receiver, &all)
}

impl Lowering<'_> {
    /// The function and the receiver (borrowed) of what really is a bound method. That is guarded, unless the superblock has made it.
    pub(super) fn parts_of_method(&mut self, method: Value) -> [Value; 2] {
        if let Some(parts) = self.f.info(method).bound {
            return parts;
        }
        self.f.guard_class(method, &raw mut PyMethod_Type);
        [offset_of!(PyMethodObject, im_func), offset_of!(PyMethodObject, im_self)]
            .map(|offset| self.f.builder.load_slot(method, offset as u32))
    }
}

/// An instance of a class with `__call__` in Python, which is called with the instance as its first argument.
unsafe fn instance(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    let real = l.real(n + 2);
    let class = ty(real);
    if !facts::has_version(class) {
        return None;
    }
    let (function, cs) = plain(shims::callable(l.s, n).cast())?;
    let sources = bind(function, n + 1, &[])?;
    let v = l.f.peek(n + 2)?;
    for i in 1..=n {
        l.f.peek(i)?;
    }
    l.guard_version(v, real, (*class).tp_version_tag);
    l.guard_receiver(n, false);
    let code = l.f.code((*function).func_code.cast::<PyCodeObject>());
    let sources = l.prepared(sources, 0)?;
    let callee = l.type_function(class, function.cast());
    let mut arguments: Vec<_> = (0..n).map(|_| l.f.pop()).collect();
    l.f.pop();
    arguments.push(l.f.pop());
    arguments.reverse();
    let locals = l.bound(sources, &arguments);
    enter(l, function, cs, code, callee, locals, true);
    Some(Outcome::Call)
}

/// A context manager whose class is written in Python: `__exit__` is bound, and `__enter__` entered (or the asynchronous ones).
pub(super) unsafe fn before_with(l: &mut Lowering) -> Option<Outcome> {
    let [function, exit] = shims::manager(l.s);
    let real = l.real(1);
    let class = ty(real);
    if function.is_null() {
        return super::c_code::before_with(l);
    }
    if !facts::has_version(class) {
        return None;
    }
    let (function, cs) = plain(function.cast())?;
    let sources = bind(function, 1, &[])?;
    let v = l.f.peek(1)?;
    l.guard_version(v, real, (*class).tp_version_tag);
    let code = l.f.code((*function).func_code.cast::<PyCodeObject>());
    let sources = l.prepared(sources, 0)?;
    let exit = l.type_constant(class, exit.cast());
    l.f.info(exit).class = &raw mut PyFunction_Type;
    let exit = super::attributes::bind(l, exit, v);
    let callee = l.type_function(class, function.cast());
    let manager = l.f.pop();
    l.f.push_value(exit);
    let locals = l.bound(sources, &[manager]);
    enter(l, function, cs, code, callee, locals, true);
    Some(Outcome::Call)
}

/// A bound method of a Python function: its function is entered with its receiver as the first argument.
unsafe fn method(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    let v = l.f.peek(n + 2)?;
    if let Some(parts) = l.f.info(v).bound {
        return method_made(l, parts);
    }
    let real = l.real(n + 2).cast::<PyMethodObject>();
    let (real_function, cs) = plain((*real).im_func)?;
    // Its last reference would have to be dropped before the function is entered. A reference that the stack shares with another slot is not dropped.
    let is_dropped = l.f.info(v).aliases == 1;
    if is_dropped && refcnt(real.cast()) < 2 {
        return None;
    }
    let sources = bind(real_function, n + 1, &[])?;
    for i in 1..=n {
        l.f.peek(i)?;
    }
    l.f.guard_class(v, &raw mut PyMethod_Type);
    if is_dropped {
        l.f.at();
        l.f.builder.guard_shared(v);
    }
    let function = l.f.builder.load_slot(v, offset_of!(PyMethodObject, im_func) as u32);
    // The version of one that is made again and again stands for its code, not for its defaults.
    if has_defaults(&sources) && !can_be_known(l, function, real_function.cast()) {
        return None;
    }
    let receiver = l.f.builder.load_slot(v, offset_of!(PyMethodObject, im_self) as u32);
    let is_known = guard_function(l, function, real_function.cast());
    l.guard_receiver(n, false);
    let real_code = (*real_function).func_code.cast::<PyCodeObject>();
    let code = l.f.code(real_code);
    let sources = l.prepared(sources, 0)?;
    l.f.borrowed(function);
    l.f.borrowed(receiver);
    let arguments = l.arguments_behind(receiver, n);
    l.f.survives(v);
    l.f.discard();
    l.f.drop_dead(None);
    let locals = l.bound(sources, &arguments);
    enter(l, real_function, cs, code, function, locals, is_known);
    Some(Outcome::Call)
}

/// The end of a `with` statement calls `__exit__`, a bound method, with None in the place of the receiver. The method stays where it is until it has returned.
unsafe fn leaving(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    if l.op() != op::CALL_EXIT || (*l.s.pc.add(INIT_RETURN)).op != op::EXIT_RETURN {
        return None;
    }
    let real = (*l.real(n + 2).cast::<PyMethodObject>()).im_func;
    let (real_function, cs) = plain(real)?;
    let sources = bind(real_function, n + 2, &[])?;
    let v = l.f.peek(n + 2)?;
    for i in 1..=n + 1 {
        l.f.peek(i)?;
    }
    let [function, receiver] = l.parts_of_method(v);
    if has_defaults(&sources) && !can_be_known(l, function, real) {
        return None;
    }
    let is_known = guard_function(l, function, real);
    let code = l.f.code((*real_function).func_code.cast::<PyCodeObject>());
    let sources = l.prepared(sources, 0)?;
    l.f.keep_alive(function);
    l.f.keep_alive(receiver);
    let mut arguments: Vec<_> = (0..=n).map(|_| l.f.pop()).collect();
    arguments.push(Content::Value(receiver));
    arguments.reverse();
    l.f.top_mut().pc += INIT_RETURN as u32;
    let locals = l.bound(sources, &arguments);
    enter(l, real_function, cs, code, function, locals, is_known);
    Some(Outcome::Call)
}

/// `__exit__` has returned: the method is dropped from below its result.
pub(super) unsafe fn exit_return(l: &mut Lowering) -> Option<Outcome> {
    l.f.peek(1)?;
    l.f.peek(2)?;
    let result = l.f.pop();
    l.f.discard();
    l.f.push(result);
    // As in tier 1, it is the call that is being executed.
    l.f.top_mut().pc -= INIT_RETURN as u32;
    l.f.drop_dead(None);
    Some(Outcome::Next(l.position(LENGTH[usize::from(op::CALL)].into())))
}

/// A bound method that the superblock has made of these, and that is called with positional arguments. Dropping it runs no code: the callee's frame
/// has what is in it.
unsafe fn method_made(l: &mut Lowering, [function, receiver]: [Value; 2]) -> Option<Outcome> {
    let n = l.oparg();
    let real = (*l.real(n + 2).cast::<PyMethodObject>()).im_func;
    let (real_function, cs) = plain(real)?;
    if !l.real(n + 1).is_null() {
        return None;
    }
    let sources = bind(real_function, n + 1, &[])?;
    if has_defaults(&sources) && !can_be_known(l, function, real) {
        return None;
    }
    for i in 1..=n {
        l.f.peek(i)?;
    }
    let is_known = guard_function(l, function, real);
    l.guard_receiver(n, false);
    let code = l.f.code((*real_function).func_code.cast::<PyCodeObject>());
    let sources = l.prepared(sources, 0)?;
    l.f.keep_alive(function);
    l.f.keep_alive(receiver);
    let arguments = l.arguments_behind(receiver, n);
    let method = l.f.pop();
    let locals = l.bound(sources, &arguments);
    enter(l, real_function, cs, code, function, locals, is_known);
    l.f.release(method);
    l.f.drop_dead(Some(0));
    Some(Outcome::Call)
}

/// A function that is called as functions are, with its decoded code.
pub(super) unsafe fn plain(function: *mut PyObject) -> Option<(*mut PyFunctionObject, *mut CodeState)> {
    let real = function.cast::<PyFunctionObject>();
    let is_plain = ty(function) == &raw mut PyFunction_Type
        && (*real).vectorcall.map_or(ptr::null(), |f| f as *const _) == known().function_vectorcall;
    if !is_plain || (*real).func_version == 0 {
        return None;
    }
    let cs = known_state_of((*real).func_code.cast::<PyCodeObject>());
    (!cs.is_null()).then_some((real, cs))
}

/// Enters a function, whose code was guarded, with these arguments. `is_known`: it is this very function.
pub(super) unsafe fn enter(
    l: &mut Lowering,
    real: *mut PyFunctionObject,
    cs: *mut CodeState,
    code: CodeRef,
    function: Value,
    args: Vec<Content>,
    is_known: bool,
) {
    let real_code = (*real).func_code.cast::<PyCodeObject>();
    l.f.enter(cs, code, function, args, (*real_code).co_nlocalsplus as usize);
    if is_known {
        let depth = l.f.frames.len() - 1;
        know_namespaces(l.f, depth, real);
    }
}

/// The frame at this depth runs this function, so its namespaces are known.
pub(crate) unsafe fn know_namespaces(f: &mut Frames, depth: usize, function: *mut PyFunctionObject) {
    let namespaces = [(*function).func_globals, (*function).func_builtins];
    f.frames[depth].namespaces = namespaces.map(|dict| {
        let v = f.constant(dict, Keep::Guarded);
        f.info(v).held = true;
        Some(v)
    });
}

/// Enters a function that was found in a type, whose version is guarded, with the `n` items on top of the stack as its arguments.
pub(super) unsafe fn enter_found(
    l: &mut Lowering,
    class: *mut PyTypeObject,
    function: *mut PyObject,
    n: usize,
) -> Option<Outcome> {
    enter_known(l, function, n, |l| l.type_function(class, function))
}

/// The same for a function that is known; `value` makes it a value, with a reference, when all is guarded.
pub(super) unsafe fn enter_known(
    l: &mut Lowering,
    function: *mut PyObject,
    n: usize,
    value: impl FnOnce(&mut Lowering) -> Value,
) -> Option<Outcome> {
    let (real, cs) = plain(function)?;
    let sources = bind(real, n, &[])?;
    for i in 1..=n {
        l.f.peek(i)?;
    }
    let code = l.f.code((*real).func_code.cast::<PyCodeObject>());
    let sources = l.prepared(sources, 0)?;
    let v = value(l);
    let mut arguments: Vec<_> = (0..n).map(|_| l.f.pop()).collect();
    arguments.reverse();
    let locals = l.bound(sources, &arguments);
    enter(l, real, cs, code, v, locals, true);
    Some(Outcome::Call)
}

/// Whether it makes sense to expect the very same function again.
pub(super) unsafe fn can_be_known(l: &mut Lowering, function: Value, real: *mut PyObject) -> bool {
    let info = *l.f.info(function);
    let real_function = real.cast::<PyFunctionObject>();
    let is_lasting =
        (*real_function).func_closure.is_null() && !info.made && !history::is_made_again((*real_function).func_code);
    is_lasting || info.constant == real
}

/// Guards what the function does. Answers whether it is known which function it is (so that its globals are known, too).
///
/// A function that was made once is compared by identity, and watched: its code and defaults stay. Closures, and functions with code
/// whose functions have died before, are made again and again, so theirs is the version, which stands for the code.
pub(super) unsafe fn guard_function(l: &mut Lowering, function: Value, real: *mut PyObject) -> bool {
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
    l.f.rely_on(real);
    true
}

pub(super) unsafe fn return_value(l: &mut Lowering) -> Option<Outcome> {
    l.f.peek(1)?;
    match l.f.top().function {
        Some(function) => returned(l, function),
        None => {
            let generator = super::generators::leaving(l)?;
            super::generators::finish(l, generator)
        }
    }
}

pub(super) unsafe fn return_const(l: &mut Lowering) -> Option<Outcome> {
    let function = l.f.top().function;
    let generator = if function.is_none() { Some(super::generators::leaving(l)?) } else { None };
    let object = *(*l.s.cs).consts.add(l.oparg());
    let keep = if is_immortal(object) { Keep::Immortal } else { Keep::Code(l.f.top().code) };
    let v = l.f.constant(object, keep);
    l.f.push_value(v);
    match (function, generator) {
        (Some(function), _) => returned(l, function),
        (None, generator) => super::generators::finish(l, generator?),
    }
}

/// Where the top frame goes on when what it has called returns: behind the call, or at the instruction that waits for the result, as which
/// some calls are named in snapshots.
pub(super) unsafe fn goes_on(l: &Lowering) -> u32 {
    let caller = l.f.top();
    let call = (*CodeState::words(caller.cs).add(caller.pc as usize)).op;
    let waits = INFO[usize::from(call)].flags & flag::OURS != 0;
    l.position(if waits { 0 } else { LENGTH[usize::from(call)].into() })
}

/// Leaves a frame that is not in memory. Execution goes on behind the call.
unsafe fn returned(l: &mut Lowering, function: Value) -> Option<Outcome> {
    l.f.leave(function);
    let next = goes_on(l);
    // What waits for the result has yet to be executed.
    let is_waited_for = next == l.f.top().pc;
    l.f.drop_dead(is_waited_for.then_some(next));
    Some(Outcome::Next(next))
}
