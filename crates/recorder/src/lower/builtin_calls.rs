//! Calls of C functions that run no other code, as the table in `builtins.rs` says: they are called where the superblock is, with the
//! frames as they are. A few become micro-ops, and of those that compare keys it depends on the container.

use super::builtins::{Arg, Function, MATH, identify, is_builtin, is_function, quiet};
use super::{Lowering, Outcome};
use crate::facts;
use crate::state::Content;
use crate::trace::Keep;
use core::ffi::CStr;
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::{Cond, Float, Helper, Value};
use hotspur_tier1::polymorphic;

impl Lowering<'_> {
    /// The operands of a call, guarded to be what the row says.
    unsafe fn arguments(&mut self, row: &Function, n: usize, values: &mut Vec<Value>) -> Option<()> {
        for i in (1..=n).rev() {
            if row.args[n - i] == Arg::Any {
                let v = self.f.peek(i)?;
                values.push(self.f.boxed(v));
                continue;
            }
            let v = self.receiver(i)?;
            if row.args[n - i] == Arg::Encoding && self.f.info(v).constant != self.real(i) {
                return None;
            }
            if row.args[n - i] == Arg::Small && facts::is_int(self.real(i)) {
                self.wide(v);
            }
            values.push(v);
        }
        Some(())
    }
}

/// A call of a C function or built-in type.
pub(super) unsafe fn call(l: &mut Lowering, has_receiver: bool) -> Option<Outcome> {
    let n = l.oparg();
    let callable = l.real(n + 2);
    let args: Vec<_> = (1..=n).rev().map(|i| l.real(i)).collect();
    if callable == (&raw mut ffi::PyType_Type).cast() && n == 1 && !has_receiver {
        return type_of(l);
    }
    if n == 0 && !has_receiver && is_type(callable, &raw mut ffi::PyType_Type) && makes_empty_container(callable.cast())
    {
        return instantiate_container(l);
    }
    if ty(callable) == &raw mut ffi::PyCFunction_Type {
        let folded = if is_builtin(callable, c"getattr") && (2..=3).contains(&n) {
            getattr(l)
        } else if is_builtin(callable, c"hasattr") && n == 2 {
            hasattr(l)
        } else if is_builtin(callable, c"issubclass") && n == 2 {
            issubclass(l)
        } else if is_builtin(callable, c"id") && n == 1 {
            identity(l)
        } else {
            None
        };
        if folded.is_some() {
            return folded;
        }
        let this = (*callable.cast::<PyCFunctionObject>()).m_self;
        if !this.is_null() && !is_type(this, &raw mut ffi::PyModule_Type) {
            return bound(l);
        }
    }
    if n == 0 && has_receiver && is_init_of_object(callable) {
        // Without arguments it does nothing.
        l.guard_callable(0, true)?;
        let none = l.f.constant(ffi::Py_None(), Keep::Immortal);
        return l.called(0, none);
    }
    let is_method = ty(callable) == &raw mut PyMethodDescr_Type;
    if is_method && !has_receiver {
        return unbound(l);
    }
    if is_method != has_receiver {
        return None;
    }
    let is_exact = !is_method || ty(l.real(n + 1)) == (*callable.cast::<PyMethodDescrObject>()).d_type;
    if is_exact && let Some(outcome) = known_method(l, callable, &args) {
        return Some(outcome);
    }
    if is_exact && let Some(outcome) = super::numbers::call(l, callable, has_receiver) {
        return Some(outcome);
    }
    if callable == (&raw mut ffi::PyTuple_Type).cast() && n == 1 && is_type(args[0], &raw mut ffi::PyList_Type) {
        return tuple_of_list(l);
    }
    let row = quiet(callable, &args)?;
    if !is_exact && !row.accepts_instance_of_subclass(callable, l.real(n + 1)) {
        return None;
    }
    if let Some(outcome) = number(l, callable, &args) {
        return Some(outcome);
    }
    l.guard_callable(n, has_receiver)?;
    let function = l.f.peek(n + 2)?;
    let mut values = vec![function];
    values.push(if has_receiver { l.receiver(n + 1)? } else { l.f.builder.const_null() });
    l.arguments(row, n, &mut values)?;
    let result = l.raising(Helper::QuietCall, &values)?;
    l.called(n, result)
}

/// `tuple` of a list, which is often made for that alone.
unsafe fn tuple_of_list(l: &mut Lowering) -> Option<Outcome> {
    l.guard_callable(1, false)?;
    let list = l.exact(1)?;
    l.f.pop();
    let list = l.f.take(list);
    let tuple = l.raising(Helper::TupleOfList, &[list])?;
    l.f.of_class(tuple, &raw mut ffi::PyTuple_Type);
    let (null, callable) = (l.f.pop(), l.f.pop());
    l.f.push_value(tuple);
    l.f.release(null);
    l.f.release(callable);
    l.done()
}

/// A call of a method of a built-in type as a function, with an instance of exactly that type as its first argument.
unsafe fn unbound(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    let callable = l.real(n + 2);
    if n == 0 || ty(l.real(n)) != (*callable.cast::<PyMethodDescrObject>()).d_type {
        return None;
    }
    let args: Vec<_> = (1..n).rev().map(|i| l.real(i)).collect();
    let row = quiet(callable, &args)?;
    l.guard_callable(n, false)?;
    let mut values = vec![l.f.peek(n + 2)?, l.f.builder.const_null(), l.receiver(n)?];
    l.arguments(row, n - 1, &mut values)?;
    let result = l.raising(Helper::QuietCall, &values)?;
    l.called(n, result)
}

/// A call of a function that does not care what its operands are.
pub(super) unsafe fn call_of_any(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    let callable = l.real(n + 2);
    if !l.real(n + 1).is_null() {
        return None;
    }
    if callable == (&raw mut ffi::PyType_Type).cast() && n == 1 {
        l.guard_callable(1, false)?;
        return type_of_any(l);
    }
    if is_builtin(callable, c"getattr") && n == 2 && !is_type(l.real(2), &raw mut ffi::PyType_Type) {
        return getattr(l);
    }
    if is_builtin(callable, c"hasattr") && n == 2 {
        return hasattr(l);
    }
    None
}

/// Whether a class that can be guarded makes instances as `list`, `dict` or `set` does, and runs no other code.
unsafe fn makes_empty_container(class: *mut PyTypeObject) -> bool {
    let bases = [&raw mut ffi::PyList_Type, &raw mut ffi::PyDict_Type, &raw mut ffi::PySet_Type];
    let new = |class: *mut PyTypeObject| (*class).tp_new.map(|f| f as usize);
    let init = |class: *mut PyTypeObject| (*class).tp_init.map(|f| f as usize);
    facts::has_version(class) && bases.into_iter().any(|base| new(base) == new(class) && init(base) == init(class))
}

/// A call without arguments of such a class.
unsafe fn instantiate_container(l: &mut Lowering) -> Option<Outcome> {
    let class = l.real(2);
    let v = l.f.peek(2)?;
    l.know_class(v, class)?;
    l.guard_receiver(0, false);
    l.depend_on_type(class.cast());
    let null = l.f.builder.const_null();
    let result = l.raising(Helper::QuietCall, &[v, null])?;
    l.called(0, result)
}

/// Whether this is `object.__init__`.
unsafe fn is_init_of_object(callable: *mut PyObject) -> bool {
    is_type(callable, &raw mut ffi::PyWrapperDescr_Type)
        && ptr::eq(facts::found_in(&raw mut ffi::PyBaseObject_Type, c"__init__"), callable)
}

/// `type(x)`.
unsafe fn type_of(l: &mut Lowering) -> Option<Outcome> {
    l.guard_callable(1, false)?;
    let real = l.real(1);
    let class = ty(real);
    let v = l.f.peek(1)?;
    if facts::is_reliable(class) {
        // What is done next depends on it most probably.
        l.guard_version(v, real, (*class).tp_version_tag);
        let class = l.type_constant(class, class.cast());
        return l.called(1, class);
    }
    type_of_any(l)
}

/// The same, whatever it is; which function is called is guarded.
unsafe fn type_of_any(l: &mut Lowering) -> Option<Outcome> {
    let v = l.f.peek(1)?;
    let v = l.f.boxed(v);
    let class = l.f.builder.type_of(v);
    let class = l.f.borrowed(class);
    l.called(1, class)
}

/// Calls that become several ops on numbers, or none.
unsafe fn number(l: &mut Lowering, callable: *mut PyObject, args: &[*mut PyObject]) -> Option<Outcome> {
    let [arg] = *args else { return None };
    if is_builtin(callable, c"hash") && facts::is_str(arg) {
        l.guard_callable(1, false)?;
        let args = [l.exact(1)?];
        let number = l.f.builder.call_helper(Helper::StrHash, &args)?;
        let result = l.box_int(number);
        return l.called(1, result);
    }
    if callable == (&raw mut ffi::PyLong_Type).cast() && facts::is_float(arg) && float_value(arg).abs() < 1e18 {
        l.guard_callable(1, false)?;
        let x = l.double(1)?;
        l.f.at();
        let number = l.f.builder.f64_to_i64_ovf(x);
        let result = l.box_int(number);
        return l.called(1, result);
    }
    if callable == (&raw mut ffi::PyFloat_Type).cast() && facts::is_float(arg) {
        // It is the same float.
        l.guard_callable(1, false)?;
        let v = l.f.peek(1)?;
        l.f.guard_class(v, &raw mut ffi::PyFloat_Type);
        return l.called(1, v);
    }
    if callable == (&raw mut ffi::PyFloat_Type).cast() && facts::is_compact_int(arg) {
        l.guard_callable(1, false)?;
        let number = l.double(1)?;
        let result = l.box_float(number);
        return l.called(1, result);
    }
    if !is_function(callable, MATH, c"sqrt") || !(facts::is_float(arg) || facts::is_compact_int(arg)) {
        return None;
    }
    let x = if facts::is_float(arg) { float_value(arg) } else { long_compact_value(arg) as f64 };
    if x.is_nan() || x < 0.0 {
        return None;
    }
    l.guard_callable(1, false)?;
    let a = l.double(1)?;
    let zero = l.f.builder.const_f64(Float::from(0.0));
    l.f.at();
    l.f.builder.guard_cmp_f64(Cond::Ge, a, zero);
    let root = l.f.builder.sqrt_f64(a);
    let result = l.box_float(root);
    l.called(1, result)
}

/// A method of a built-in object that was bound before (`append = items.append`): which one it is is guarded, and the receiver is taken
/// from it.
unsafe fn bound(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    let callable = l.real(n + 2);
    let method = callable.cast::<PyCFunctionObject>();
    let receiver = (*method).m_self;
    if !l.real(n + 1).is_null() || receiver.is_null() || !facts::is_reliable(ty(receiver)) {
        return None;
    }
    let name = CStr::from_ptr((*(*method).m_ml).ml_name);
    let descriptor = facts::found_in(ty(receiver), name);
    let is_made_of = !descriptor.is_null()
        && is_type(descriptor, &raw mut PyMethodDescr_Type)
        && ptr::eq((*descriptor.cast::<PyMethodDescrObject>()).d_method, (*method).m_ml);
    if !is_made_of {
        return None;
    }
    let args: Vec<_> = (1..=n).rev().map(|i| l.real(i)).collect();
    let is_append = descriptor == hotspur_tier1::context::known().list_append && n == 1;
    let of_set = is_type(receiver, &raw mut ffi::PySet_Type)
        && n == 1
        && is_quiet_key(args[0])
        && is_set_method(name)
        && set_contains(receiver, args[0]).is_some();
    let row = if is_append || of_set { None } else { Some(quiet(descriptor, &args)?) };
    let is_exact = ty(receiver) == (*descriptor.cast::<PyMethodDescrObject>()).d_type;
    if !is_exact && row.is_some_and(|row| !row.accepts_instance_of_subclass(descriptor, receiver)) {
        return None;
    }
    let v = l.f.peek(n + 2)?;
    if is_append {
        l.f.peek(1)?;
    }
    l.guard_receiver(n, false);
    let descriptor = l.f.constant(descriptor, Keep::Hold);
    l.f.at();
    let this = l.f.builder.call_helper(Helper::BoundSelf, &[v, descriptor])?;
    l.f.builder.guard_not_null(this);
    l.guard_version(this, receiver, (*ty(receiver)).tp_version_tag);
    if of_set {
        return change_set(l, name, this);
    }
    let Some(row) = row else {
        let Content::Value(item) = l.f.pop() else { return None };
        l.append(this, item)?;
        let (null, callable) = (l.f.pop(), l.f.pop());
        let none = l.f.constant(ffi::Py_None(), Keep::Immortal);
        l.f.push_value(none);
        l.f.release(null);
        l.f.release(callable);
        return l.done();
    };
    let mut values = vec![descriptor, this];
    l.arguments(row, n, &mut values)?;
    let result = l.raising(Helper::QuietCall, &values)?;
    l.called(n, result)
}

/// What is known of the class is guarded by its version, so `getattr` of a name that is known has this result, or the default.
unsafe fn getattr(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    let (real, name) = (l.real(n), l.real(n - 1));
    if !facts::is_str(name) {
        return None;
    }
    if !is_type(real, &raw mut ffi::PyType_Type) {
        if !polymorphic::finds_attribute(real, name) {
            return None;
        }
        l.guard_callable(n, false)?;
        let args = object_and_name(l, n)?;
        let result = l.found(Helper::AnyAttribute, &args)?;
        return l.called(n, result);
    }
    if !unicode_is_interned(name) {
        return None;
    }
    let (class, key) = (l.f.peek(n)?, l.f.peek(n - 1)?);
    if l.f.info(class).constant != real || l.f.info(key).constant != name {
        return None;
    }
    l.guard_callable(n, false)?;
    let attribute = super::attributes::found_in_class(l, class, real, name)?;
    let result = match attribute {
        Some(v) => v,
        None if n == 3 => l.f.peek(1)?,
        None => return None,
    };
    l.called(n, result)
}

/// The object and the name, exactly a string, that a function with `n` arguments is asked of.
unsafe fn object_and_name(l: &mut Lowering, n: usize) -> Option<[Value; 2]> {
    let object = l.f.peek(n)?;
    Some([l.f.boxed(object), l.exact(n - 1)?])
}

/// `hasattr`, where that runs no code.
unsafe fn hasattr(l: &mut Lowering) -> Option<Outcome> {
    let (real, name) = (l.real(2), l.real(1));
    if !facts::is_str(name) || polymorphic::has_attribute(real, name).is_none() {
        return None;
    }
    l.guard_callable(2, false)?;
    let args = object_and_name(l, 2)?;
    let truth = l.truth_told(Helper::HasAttribute, &args, Cond::Ne)?;
    l.called(2, truth)
}

/// `issubclass` of classes that are known.
unsafe fn issubclass(l: &mut Lowering) -> Option<Outcome> {
    let (class, base) = (l.real(2), l.real(1));
    for (i, real) in [(2, class), (1, base)] {
        let v = l.f.peek(i)?;
        let is_known = is_type(real, &raw mut ffi::PyType_Type) && l.f.info(v).constant == real;
        if !is_known || !facts::is_reliable(real.cast()) {
            return None;
        }
    }
    l.guard_callable(2, false)?;
    l.depend_on_type(class.cast());
    let truth = ffi::PyType_IsSubtype(class.cast(), base.cast()) != 0;
    let result = l.f.constant(if truth { ffi::Py_True() } else { ffi::Py_False() }, Keep::Immortal);
    l.called(2, result)
}

/// `id` of an object, as long as nobody listens to the audit event.
unsafe fn identity(l: &mut Lowering) -> Option<Outcome> {
    if hears_audit() {
        return None;
    }
    l.guard_callable(1, false)?;
    let v = l.f.peek(1)?;
    let v = l.f.boxed(v);
    l.f.at();
    let zero = l.f.builder.const_i64(0);
    let address = l.f.builder.call_helper(Helper::Identity, &[v])?;
    l.f.builder.guard_cmp_i64(Cond::Ne, address, zero);
    let result = l.box_int(address);
    l.called(1, result)
}

/// Methods that compare keys, so that it depends on the container whether they run code.
unsafe fn known_method(l: &mut Lowering, callable: *mut PyObject, args: &[*mut PyObject]) -> Option<Outcome> {
    let n = args.len();
    let (Err(owner), name) = identify(callable)? else { return None };
    let is_method = ty(callable) == &raw mut PyMethodDescr_Type && !l.real(n + 1).is_null();
    if is_method
        && owner == &raw mut ffi::PySet_Type
        && n == 1
        && is_quiet_key(args[0])
        && set_contains(l.real(2), args[0]).is_some()
    {
        let name = CStr::from_ptr(name);
        if !is_set_method(name) {
            return None;
        }
        l.guard_callable(1, true)?;
        let set = l.exact(2)?;
        return change_set(l, name, set);
    }
    let name = CStr::from_ptr(name);
    if is_method && n == 1 && [c"append", c"appendleft"].contains(&name) && super::deques::is_deque(l.real(2)) {
        return super::deques::append(l);
    }
    let is_sequence = owner == &raw mut ffi::PyList_Type || owner == &raw mut ffi::PyTuple_Type;
    if is_method && n == 1 && is_sequence && [c"remove", c"index", c"count"].contains(&name) {
        return search(l, name);
    }
    let is_pop = is_method && owner == &raw mut ffi::PyDict_Type && name == c"pop";
    let deletes = is_pop && (1..=2).contains(&n) && is_quiet_key(args[0]);
    if deletes && super::containers::is_deletable(l.real(n + 1), args[0]) {
        l.guard_callable(n, true)?;
        let args = [l.exact(n + 1)?, l.key(n)?];
        let result = l.found(Helper::DictDelete, &args)?;
        return l.called(n, result);
    }
    let is_get = owner == &raw mut ffi::PyDict_Type && name == c"get" && !l.real(n + 1).is_null();
    if !is_get || !(1..=2).contains(&n) || ty(callable) != &raw mut PyMethodDescr_Type || !is_quiet_key(args[0]) {
        return None;
    }
    dict_find(l.real(n + 1), args[0])?;
    l.guard_callable(n, true)?;
    let dict = l.exact(n + 1)?;
    let key = l.key(n)?;
    let default = if n == 2 {
        let v = l.f.peek(1)?;
        l.f.boxed(v)
    } else {
        l.f.constant(ffi::Py_None(), Keep::Immortal)
    };
    let result = l.found(Helper::LookupOr, &[dict, key, default])?;
    l.called(n, result)
}

/// Methods that look for an item of a list or tuple, and find it, or count.
unsafe fn search(l: &mut Lowering, name: &CStr) -> Option<Outcome> {
    let found = sequence_find(l.real(2), l.real(1), 0)?;
    if found.is_none() && name != c"count" {
        return None;
    }
    l.guard_callable(1, true)?;
    let (sequence, item) = (l.exact(2)?, l.key(1)?);
    if name == c"remove" {
        let removed = l.found(Helper::ListRemove, &[sequence, item])?;
        l.f.release(Content::Value(removed));
        let none = l.f.constant(ffi::Py_None(), Keep::Immortal);
        return l.called(1, none);
    }
    l.f.at();
    let counts = l.f.builder.const_i64((name == c"count").into());
    let zero = l.f.builder.const_i64(0);
    let found = l.f.builder.call_helper(Helper::Search, &[sequence, item, counts])?;
    l.f.builder.guard_cmp_i64(Cond::Ge, found, zero);
    let result = l.box_int(found);
    l.called(1, result)
}

fn is_set_method(name: &CStr) -> bool {
    [c"add", c"discard", c"remove"].contains(&name)
}

/// A call of one of these, of which it is guarded that it is called, and with this receiver.
unsafe fn change_set(l: &mut Lowering, name: &CStr, set: Value) -> Option<Outcome> {
    let args = [set, l.key(1)?];
    if name == c"add" {
        l.done_unless_zero(Helper::SetAdd, &args)?;
    } else {
        l.f.at();
        let zero = l.f.builder.const_i64(0);
        let found = l.f.builder.call_helper(Helper::SetDiscard, &args)?;
        // Tier 1 raises a KeyError.
        let cond = if name == c"remove" { Cond::Gt } else { Cond::Ge };
        l.f.builder.guard_cmp_i64(cond, found, zero);
    }
    let none = l.f.constant(ffi::Py_None(), Keep::Immortal);
    l.called(1, none)
}
