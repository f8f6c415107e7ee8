//! Instructions that call a method in Python: as in tier 1, the frame of a shim and that of the method are entered. See `shims.rs` of tier 1.

use super::{Lowering, Outcome, calls};
use crate::facts;
use crate::state::Content;
use crate::trace::Keep;
use core::mem::offset_of;
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::{Cond, Helper, Value};
use hotspur_tier1::consumers;
use hotspur_tier1::context::known;
use hotspur_tier1::shims::{self, Found, Kind, Operand};
use hotspur_tier1::table::op;

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

    /// Enters the shim, and the method (found in a class whose version is guarded, or guarded itself), with the instruction's operands, which were
    /// looked at. That there is space for the frames was checked.
    unsafe fn enter_shim(&mut self, found: Found, function: Value, descriptor: Option<Value>) -> Option<Outcome> {
        let (shim, row) = (shims::shim(found.kind)?, &shims::ROWS[found.kind as usize]);
        let (method, cs) = calls::plain(found.function.cast())?;
        let code = self.f.code((*method).func_code.cast::<PyCodeObject>());
        let locals = self.operands(row.own, descriptor);
        let args = self.operands(row.args, descriptor);
        for _ in 0..row.pops {
            self.f.pop();
        }
        if row.waits != 0 {
            self.f.top_mut().pc += row.waits as u32;
        }
        let shim_code = self.f.code((*shim.cs).code);
        let shim_function = self.f.constant(shim.function.cast(), Keep::Immortal);
        calls::enter(self, shim.function, shim.cs, shim_code, shim_function, locals, true);
        self.f.top_mut().pc = shim.call as u32;
        calls::enter(self, method, cs, code, function, args, true);
        Some(Outcome::Call)
    }

    /// Loads the items that a shim and its method get.
    fn look_at_items(&mut self, found: Found) -> Option<()> {
        let row = &shims::ROWS[found.kind as usize];
        for operand in row.own.iter().chain(row.args) {
            if let Operand::Item(n) = *operand {
                self.f.peek(n)?;
            }
        }
        Some(())
    }

    /// What operands are. Items were looked at.
    unsafe fn operands(&mut self, operands: &[Operand], descriptor: Option<Value>) -> Vec<Content> {
        let owner = self.real(1);
        operands
            .iter()
            .map(|operand| {
                let v = match *operand {
                    Operand::Item(n) => return self.f.content(n),
                    Operand::Unset => return Content::Null,
                    Operand::Argument => {
                        let object = known().small_ints.add(self.oparg() + 5).cast();
                        self.f.constant(object, Keep::Immortal)
                    }
                    Operand::Descriptor => descriptor.expect("it was looked up"),
                    Operand::Class => self.type_constant(ty(owner), ty(owner).cast()),
                    Operand::Name => {
                        let name = shims::attribute_name(self.s);
                        super::attributes::name_constant(self, name)
                    }
                };
                Content::Value(v)
            })
            .collect()
    }

    /// The same for a method that was found in the class of the operand `n` from the top, which is guarded.
    unsafe fn enter_method(&mut self, found: Found, n: usize) -> Option<Outcome> {
        let class = ty(self.real(n));
        if found.is_none() || !facts::has_version(class) {
            return None;
        }
        calls::plain(found.function.cast())?;
        self.guard_operand(n)?;
        self.look_at_items(found)?;
        self.f.at();
        self.f.builder.check_stack_space();
        let function = self.type_function(class, found.function.cast());
        self.enter_shim(found, function, None)
    }
}

pub(super) unsafe fn operator(l: &mut Lowering) -> Option<Outcome> {
    let found = shims::binary(l.s);
    if found.is_none() || !can_be_guarded(ty(l.real(2))) || !can_be_guarded(ty(l.real(1))) {
        return None;
    }
    l.guard_operand(2)?;
    l.guard_operand(1)?;
    l.enter_method(found, if found.kind == Kind::Reflected { 1 } else { 2 })
}

pub(super) unsafe fn comparison(l: &mut Lowering) -> Option<Outcome> {
    let found = shims::compare(l.s);
    if found.is_none() || !facts::has_version(ty(l.real(2))) || !can_be_guarded(ty(l.real(1))) {
        return None;
    }
    l.guard_operand(2)?;
    l.guard_operand(1)?;
    l.enter_method(found, 2)
}

pub(super) unsafe fn containment(l: &mut Lowering) -> Option<Outcome> {
    let found = shims::contains(l.s);
    if !found.is_none() {
        return l.enter_method(found, 1);
    }
    let found = shims::contains_hashed(l.s);
    if found.is_none() {
        return None;
    }
    l.exact(1)?;
    l.enter_method(found, 2)
}

/// BINARY_SUBSCR of a dictionary.
pub(super) unsafe fn hashed_item(l: &mut Lowering) -> Option<Outcome> {
    let found = shims::hashed_item(l.s);
    if found.is_none() {
        return None;
    }
    l.exact(2)?;
    l.enter_method(found, 1)
}

/// What a shim calls when `__hash__` has returned: the look-up, if comparing runs no code.
pub(super) unsafe fn hashed(l: &mut Lowering) -> Option<Outcome> {
    let (callable, container, item) = (l.real(5), l.real(3), l.real(2));
    let hash = shims::usable_hash(l.real_int(1)? as isize);
    let is_dict = is_type(container, &raw mut ffi::PyDict_Type);
    let is_item = callable == shims::item_of();
    if is_dict {
        let value = dict_find_hashed(container, item, hash)?;
        if is_item && value.is_null() {
            return None;
        }
    } else {
        set_find_hashed(container, item, hash)?;
    }
    l.guard_callable(3, false)?;
    let item = l.f.peek(2)?;
    let args = [l.exact(3)?, l.f.boxed(item), l.int(1)?];
    let result = if is_item {
        l.found(Helper::LookupHashed, &args)?
    } else {
        l.truth_told(Helper::MemberHashed, &args, Cond::Ne)?
    };
    l.called(3, result)
}

pub(super) unsafe fn assignment(l: &mut Lowering) -> Option<Outcome> {
    l.enter_method(shims::assign(l.s), 2)
}

pub(super) unsafe fn truth(l: &mut Lowering) -> Option<Outcome> {
    l.enter_method(shims::truth(l.s), 1)
}

pub(super) unsafe fn unary(l: &mut Lowering) -> Option<Outcome> {
    l.enter_method(shims::unary(l.s), 1)
}

pub(super) unsafe fn next(l: &mut Lowering) -> Option<Outcome> {
    l.enter_method(shims::next(l.s), 1)
}

/// A built-in function that calls a method of its argument, or `other_operand`, called by the shim of an operator.
pub(super) unsafe fn called(l: &mut Lowering) -> Option<Outcome> {
    let found = shims::called(l.s);
    // Other specializations call C code.
    if found.is_none() || !matches!(l.op(), op::CALL | op::CALL_FOR_METHOD | op::CALL_LEN) {
        return None;
    }
    let n = l.oparg();
    if found.kind != Kind::OtherOperand {
        l.guard_callable(n, false)?;
        return l.enter_method(found, 1);
    }
    if !can_be_guarded(ty(l.real(3))) {
        return None;
    }
    let oparg = l.f.peek(1)?;
    if l.f.info(oparg).constant != l.real(1) {
        return None;
    }
    l.guard_callable(n, false)?;
    l.guard_operand(3)?;
    l.enter_method(found, 2)
}

/// `checked_iterator`, called by a shim: an iterator is returned as it is. Whether it is one, its type says.
pub(super) unsafe fn checked_iterator(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(1);
    if l.real(3) != shims::checked_iterator() || !can_be_guarded(ty(real)) || ffi::PyIter_Check(real) == 0 {
        return None;
    }
    l.guard_callable(1, false)?;
    l.guard_operand(1)?;
    let v = l.f.peek(1)?;
    l.called(1, v)
}

/// `checked_length`, called by a shim: an int that a length can be is returned as it is.
pub(super) unsafe fn checked_length(l: &mut Lowering) -> Option<Outcome> {
    if !shims::is_length(l.real(1)) {
        return None;
    }
    l.guard_callable(1, false)?;
    let number = l.int(1)?;
    let zero = l.f.builder.const_i64(0);
    l.f.at();
    l.f.builder.guard_cmp_i64(Cond::Ge, number, zero);
    let v = l.f.peek(1)?;
    l.called(1, v)
}

/// LOAD_ATTR of what is not there, or of a descriptor.
pub(super) unsafe fn load(l: &mut Lowering) -> Option<Outcome> {
    if l.op() != op::LOAD_ATTR_FOR_METHOD {
        return None;
    }
    let found = shims::load(l.s);
    let class = ty(l.real(1));
    if found.is_none() || !facts::has_version(class) {
        return None;
    }
    let name = shims::attribute_name(l.s);
    let descriptor = _PyType_Lookup(class, name);
    if descriptor.is_null() || (*ty(descriptor)).tp_descr_set.is_none() {
        super::attributes::lacks_own(l, name)?;
    }
    if descriptor.is_null() { l.enter_method(found, 1) } else { described(l, found, descriptor) }
}

/// STORE_ATTR of a descriptor.
pub(super) unsafe fn store(l: &mut Lowering) -> Option<Outcome> {
    if l.op() != op::STORE_ATTR_FOR_METHOD {
        return None;
    }
    let found = shims::store(l.s);
    let class = ty(l.real(1));
    if found.is_none() || !facts::has_version(class) {
        return None;
    }
    l.f.peek(2)?;
    described(l, found, _PyType_Lookup(class, shims::attribute_name(l.s)))
}

/// Enters what a descriptor (borrowed), which the class of the owner on top of the stack has, calls.
unsafe fn described(l: &mut Lowering, found: Found, descriptor: *mut PyObject) -> Option<Outcome> {
    let kind = ty(descriptor);
    let is_property = ptr::eq(kind, &raw mut ffi::PyProperty_Type);
    calls::plain(found.function.cast())?;
    if !is_property && !facts::has_version(kind) {
        return None;
    }
    l.guard_operand(1)?;
    l.look_at_items(found)?;
    // Its class has it, so it needs a reference only once that may change.
    let keep = if is_immortal(descriptor) { Keep::Immortal } else { Keep::Guarded };
    let v = l.f.constant(descriptor, keep);
    let of_property = if is_property {
        // A property can be given another function.
        let offset = match found.kind {
            Kind::PropertySet => offset_of!(PropertyObject, prop_set),
            _ => offset_of!(PropertyObject, prop_get),
        };
        Some(super::attributes::function_of(l, v, offset, found.function.cast()))
    } else {
        l.guard_version(v, descriptor, (*kind).tp_version_tag);
        None
    };
    l.f.at();
    l.f.builder.check_stack_space();
    let function = match of_property {
        Some(function) => l.f.borrowed(function),
        None => l.type_function(kind, found.function.cast()),
    };
    if keep == Keep::Guarded {
        l.f.borrowed(v);
    }
    l.enter_shim(found, function, Some(v))
}

/// FOR_ITER goes on when the shim that it has entered has returned: an item, or word that there is none.
pub(super) unsafe fn next_return(l: &mut Lowering) -> Option<Outcome> {
    let exhausted = shims::exhausted();
    let is_exhausted = l.real(1) == exhausted;
    let v = l.f.peek(1)?;
    let id = l.f.object(exhausted, Keep::Immortal);
    if !is_exhausted {
        if l.f.info(v).constant.is_null() && !l.f.is_unboxed_bool(v) {
            l.f.at();
            l.f.builder.guard_is_not(v, id);
        }
        return l.done();
    }
    l.f.peek(2)?;
    l.guard_is(v, exhausted, id);
    l.f.discard();
    // As in tier 1, it is the FOR_ITER that is being executed.
    l.f.top_mut().pc -= 1;
    let oparg = (*l.s.pc.sub(1)).oparg as usize;
    super::iteration::ended(l, oparg)
}

/// LOAD_ATTR goes on when the shim that it has entered has returned what is to be called.
pub(super) unsafe fn method_return(l: &mut Lowering) -> Option<Outcome> {
    l.f.push(Content::Null);
    l.done()
}

/// CALL_CONSUMER: the frame of the consumer is entered. It is this generator function's own, which is guarded.
pub(super) unsafe fn consumer(l: &mut Lowering) -> Option<Outcome> {
    let consumer = consumers::consumer(l.s)?;
    let n = consumers::generator_at(l.s);
    let at = super::generators::suspended(l, l.real(n).cast())?;
    let has_receiver = !l.real(2).is_null();
    l.guard_callable(1, has_receiver)?;
    if has_receiver {
        l.exact(2)?;
    }
    l.f.peek(1)?;
    let generator = l.f.peek(n)?;
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

/// GET_ITER of an instance whose `__iter__` is in Python.
pub(super) unsafe fn iter(l: &mut Lowering) -> Option<Outcome> {
    let iterable = l.real(1);
    let function = shims::iter(l.s, iterable);
    if function.is_null() {
        return l.enter_method(shims::iterator(l.s), 1);
    }
    if !facts::has_version(ty(iterable)) {
        return None;
    }
    l.guard_operand(1)?;
    calls::enter_found(l, ty(iterable), function.cast(), 1)
}
