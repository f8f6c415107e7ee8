//! Operators of classes with methods in Python: as in tier 1, the frame of a shim and that of the method are entered. See
//! `shims.rs` of tier 1.

use super::{Lowering, Outcome, calls};
use crate::facts;
use crate::state::Content;
use crate::trace::Keep;
use hotspur_cpython_sys::ffi::PyTypeObject;
use hotspur_cpython_sys::*;
use hotspur_tier1::consumers;
use hotspur_tier1::context::known;
use hotspur_tier1::shims::{self, Kind};

/// Whether the type of an object can be guarded.
unsafe fn can_be_guarded(class: *mut PyTypeObject) -> bool {
    facts::is_static(class) || facts::has_version(class)
}

impl Lowering<'_> {
    /// Guards that the operand `n` from the top is of the very type that it is of.
    unsafe fn guard_operand(&mut self, n: usize) -> Option<()> {
        let real = self.real(n);
        let v = self.f.peek(n)?;
        let v = self.f.boxed(v);
        self.guard_version(v, real, (*ty(real)).tp_version_tag);
        Some(())
    }

    /// Enters the shim with the operands `own` (counted from the top; all there are) and the method of a class, whose version is guarded, with the
    /// operands `args`.
    unsafe fn enter_shim(
        &mut self,
        kind: Kind,
        class: *mut PyTypeObject,
        method: *mut PyFunctionObject,
        own: &[usize],
        args: &[usize],
        operation: Option<usize>,
    ) -> Option<Outcome> {
        let shim = shims::shim(kind)?;
        let (method, cs) = calls::plain(method.cast())?;
        let code = self.f.code((*method).func_code.cast::<PyCodeObject>());
        self.f.at();
        self.f.builder.check_stack_space();
        let function = self.type_function(class, method.cast());
        let contents: Vec<_> = own.iter().map(|_| self.f.pop()).collect();
        let of = |operands: &[usize]| operands.iter().map(|n| contents[n - 1]).collect::<Vec<_>>();
        let mut locals = of(own);
        if let Some(operation) = operation {
            let object = known().small_ints.add(operation + 5).cast();
            locals.push(Content::Value(self.f.constant(object, Keep::Immortal)));
        }
        let shim_code = self.f.code((*shim.cs).code);
        let shim_function = self.f.constant(shim.function.cast(), Keep::Immortal);
        calls::enter(self, shim.function, shim.cs, shim_code, shim_function, locals, true);
        self.f.top_mut().pc = shim.call as u32;
        calls::enter(self, method, cs, code, function, of(args), true);
        Some(Outcome::Call)
    }
}

pub(super) unsafe fn operator(l: &mut Lowering) -> Option<Outcome> {
    let (left, right) = (l.real(2), l.real(1));
    let method = shims::binary(l.s, left, right);
    if method.is_null() || !facts::has_version(ty(left)) || !can_be_guarded(ty(right)) {
        return None;
    }
    l.guard_operand(2)?;
    l.guard_operand(1)?;
    l.enter_shim(Kind::Operator, ty(left), method, &[2, 1], &[2, 1], Some(l.oparg()))
}

pub(super) unsafe fn comparison(l: &mut Lowering) -> Option<Outcome> {
    let (left, right) = (l.real(2), l.real(1));
    let method = shims::compare(l.s, left, right);
    if method.is_null() || !facts::has_version(ty(left)) || !can_be_guarded(ty(right)) {
        return None;
    }
    l.guard_operand(2)?;
    l.guard_operand(1)?;
    l.enter_shim(shims::comparison_kind(l.oparg()), ty(left), method, &[2, 1], &[2, 1], Some(l.oparg()))
}

pub(super) unsafe fn containment(l: &mut Lowering) -> Option<Outcome> {
    let container = l.real(1);
    let method = shims::contains(l.s, container);
    if method.is_null() || !facts::has_version(ty(container)) {
        return None;
    }
    l.guard_operand(1)?;
    l.f.peek(2)?;
    l.enter_shim(shims::containment_kind(l.oparg()), ty(container), method, &[2, 1], &[1, 2], None)
}

pub(super) unsafe fn assignment(l: &mut Lowering) -> Option<Outcome> {
    let container = l.real(2);
    let method = shims::assign(l.s, container);
    if method.is_null() || !facts::has_version(ty(container)) {
        return None;
    }
    l.guard_operand(2)?;
    l.f.peek(1)?;
    l.f.peek(3)?;
    let caller = l.f.frames.len() - 1;
    let outcome = l.enter_shim(Kind::Assignment, ty(container), method, &[3, 2, 1], &[2, 1, 3], None)?;
    // Where the shim returns to: see ASSIGNMENT_RETURN.
    l.f.frames[caller].pc += 1;
    Some(outcome)
}

/// CALL_CONSUMER: the frame of the consumer is entered. It is this generator function's own, which is guarded.
pub(super) unsafe fn consumer(l: &mut Lowering) -> Option<Outcome> {
    let consumer = consumers::consumer(l.s)?;
    let at = super::generators::suspended(l, l.real(1).cast())?;
    let has_receiver = !l.real(2).is_null();
    l.guard_callable(1, has_receiver)?;
    if has_receiver {
        l.exact(2)?;
    }
    let generator = l.f.peek(1)?;
    l.f.guard_class(generator, &raw mut PyGen_Type);
    l.f.at();
    l.f.builder.guard_suspended(generator, at.code, at.pc);
    let code = l.f.code((*consumer.cs).code);
    l.f.at();
    l.f.builder.check_stack_space();
    // The generator's code, which is relied on, has it.
    let function = l.f.constant(consumer.function.cast(), Keep::Code(at.code));
    l.f.info(function).class = &raw mut PyFunction_Type;
    let mut locals = vec![l.f.pop()];
    let receiver = l.f.pop();
    if has_receiver {
        locals.insert(0, receiver);
    }
    locals.push(l.f.pop());
    calls::enter(l, consumer.function, consumer.cs, code, function, locals, true);
    Some(Outcome::Call)
}

/// GET_ITER of an instance whose `__iter__` is a generator function.
pub(super) unsafe fn iter(l: &mut Lowering) -> Option<Outcome> {
    let iterable = l.real(1);
    let function = shims::iter(l.s, iterable);
    if function.is_null() || !facts::has_version(ty(iterable)) {
        return None;
    }
    l.guard_operand(1)?;
    calls::enter_found(l, ty(iterable), function.cast(), 1)
}
