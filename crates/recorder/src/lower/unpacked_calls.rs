//! CALL_FUNCTION_EX: calls whose arguments are in a tuple.

use super::attributes::name_constant;
use super::binding::{Source, bind, has_defaults, uses};
use super::calls::{can_be_known, enter, guard_function, plain};
use super::{Lowering, Outcome};
use crate::state::Content;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_ir::{Cond, Helper, Value};
use hotspur_tier1::shims;

/// With more keywords it is left to tier 1.
const MANY: usize = 16;

/// What is passed: the values (borrowed from tuple and dictionary, which are dropped once they have references of their own), those by position first.
struct Passed {
    values: Vec<Value>,
    /// Where the tuple is, from the top of the stack.
    at: usize,
}

/// The names of the keywords, in their order, if they can be guarded.
unsafe fn names_of(l: &Lowering) -> Option<Vec<*mut PyObject>> {
    if l.oparg() & 1 == 0 {
        return Some(Vec::new());
    }
    let dict = l.real(1);
    if !is_type(dict, &raw mut ffi::PyDict_Type) {
        return None;
    }
    let dict = dict.cast::<PyDictObject>();
    let (keys, count) = ((*dict).ma_keys, (*dict).ma_used as usize);
    if count == 0 {
        return Some(Vec::new());
    }
    if !keys_are_unicode(keys) || !(*dict).ma_values.is_null() || (*keys).dk_nentries as usize != count || count > MANY
    {
        return None;
    }
    let names: Vec<_> = (0..count).map(|i| (*unicode_entries(keys).add(i)).me_key).collect();
    names.iter().all(|&name| unicode_is_interned(name)).then_some(names)
}

/// CALL_FUNCTION_EX with a tuple, and no keywords, or a dict of them: the tuple's items and the dict's values are the arguments. A method of a function in
/// Python is entered like that, and the `__init__` of a class.
pub(super) unsafe fn call_function_ex(l: &mut Lowering) -> Option<Outcome> {
    let at = 1 + (l.oparg() & 1);
    let (real_tuple, real_callable) = (l.real(at), l.real(at + 2));
    if !is_type(real_tuple, &raw mut ffi::PyTuple_Type) {
        return None;
    }
    let n = size(real_tuple) as usize;
    let is_method = ty(real_callable) == &raw mut PyMethod_Type;
    let real = if is_method { (*real_callable.cast::<PyMethodObject>()).im_func } else { real_callable };
    let init = shims::initialized_unpacked(l.s);
    if !init.is_null() {
        return instantiate(l, init, at);
    }
    if ty(real) != &raw mut PyFunction_Type {
        return of_c_code(l, at);
    }
    let names = names_of(l)?;
    let (real_function, cs) = plain(real)?;
    let first = usize::from(is_method);
    let sources = bind(real_function, n + first, &names)?;
    let callable = l.f.peek(at + 2)?;
    let parts = is_method.then(|| l.parts_of_method(callable));
    let function = parts.map_or(callable, |[function, _]| function);
    if has_defaults(&sources) && !can_be_known(l, function, real) {
        return None;
    }
    let passed = l.passed(at, &names)?;
    let is_known = guard_function(l, function, real);
    let code = l.f.code((*real_function).func_code.cast::<PyCodeObject>());
    let sources = l.prepared_of(sources, |_, i| passed.values.get(i.checked_sub(first)?).copied())?;
    let mut arguments = Vec::new();
    if let Some([function, receiver]) = parts {
        l.f.keep_alive(function);
        l.f.keep_alive(receiver);
        arguments.push(Content::Value(receiver));
    }
    let mut dropped = l.taken(passed, &sources, &mut arguments);
    l.f.pop();
    let callable = l.f.pop();
    // A function goes on being referred to, by its frame.
    if is_method {
        dropped.push(callable);
    }
    let locals = l.bound(sources, &arguments);
    enter(l, real_function, cs, code, function, locals, is_known);
    for content in dropped {
        l.f.release(content);
    }
    l.f.drop_dead(Some(0));
    Some(Outcome::Call)
}

/// The same of a class: as in tier 1, the frame of a shim, which has the instance, and that of `__init__`.
unsafe fn instantiate(l: &mut Lowering, init: *mut PyFunctionObject, at: usize) -> Option<Outcome> {
    let names = names_of(l)?;
    let real_class = l.real(at + 2);
    let n = size(l.real(at)) as usize;
    let init = init.cast::<PyObject>();
    let (real, _) = plain(init)?;
    let sources = bind(real, n + 1, &names)?;
    let class = super::instances::known_class(l, real_class, at + 2)?;
    l.guard_receiver(at, false);
    let passed = l.passed(at, &names)?;
    // Argument 0 is the instance.
    let sources = l.prepared_of(sources, |_, i| passed.values.get(i.checked_sub(1)?).copied())?;
    let [function, instance] = super::instances::new_one(l, real_class, init);
    let mut arguments = vec![Content::Value(instance)];
    let dropped = l.taken(passed, &sources, &mut arguments);
    l.f.pop();
    // The instance has a reference to its class.
    l.f.survives(class);
    l.f.discard();
    let locals = l.bound(sources, &arguments);
    super::instances::enter_on_shim(l, instance, init, function, locals)?;
    for content in dropped {
        l.f.release(content);
    }
    l.f.drop_dead(Some(0));
    Some(Outcome::Call)
}

/// The same of what C code calls: `at` is where the tuple is, from the top of the stack.
unsafe fn of_c_code(l: &mut Lowering, at: usize) -> Option<Outcome> {
    let n = size(l.real(at)) as usize;
    let callable = l.guard_c_code(at + 2)?;
    let tuple = l.arguments_in_tuple(at)?;
    // The null below the tuple is dropped as well: it is read before the call, since a trace may begin here (an exit at this instruction).
    l.f.peek_or_null(at + 1);
    let mut values = vec![callable, l.f.builder.const_null()];
    values.extend(l.items_of(tuple, n));
    let result = l.running_code(Helper::Call, &values)?;
    // As tier 1 drops them.
    let mut operands: Vec<_> = (0..at + 2).map(|_| l.f.pop()).collect();
    operands.reverse();
    l.f.push_value(result);
    for operand in operands {
        l.f.release(operand);
    }
    l.done()
}

impl Lowering<'_> {
    /// Guards that a tuple of this length is passed, and keywords with these names. Loads what is passed.
    unsafe fn passed(&mut self, at: usize, names: &[*mut PyObject]) -> Option<Passed> {
        if names.is_empty() {
            let tuple = self.arguments_in_tuple(at)?;
            let n = size(self.real(at)) as usize;
            return Some(Passed { values: self.items_of(tuple, n), at });
        }
        let dict = self.exact(1)?;
        let names: Vec<_> = names.iter().map(|&name| name_constant(self, name)).collect();
        let mut args = vec![dict, self.f.builder.const_null()];
        args.extend(&names);
        self.done_unless_zero(Helper::KeysAre, &args)?;
        let tuple = self.tuple_of_arguments(at)?;
        let n = size(self.real(at)) as usize;
        let mut values = self.items_of(tuple, n);
        for (i, name) in names.into_iter().enumerate() {
            let index = self.f.builder.const_i64(i as i64);
            let value = self.f.builder.call_helper(Helper::KeyedItem, &[dict, name, index])?;
            self.f.info(value).nullable = true;
            self.decide_null(value, false);
            values.push(value);
        }
        Some(Passed { values, at })
    }

    /// Takes the tuple and what may be above it off the stack: they are to be dropped. What locals get has references of its own, behind these arguments.
    fn taken(&mut self, passed: Passed, sources: &[Source], arguments: &mut Vec<Content>) -> Vec<Content> {
        let first = arguments.len();
        for (i, v) in passed.values.into_iter().enumerate() {
            // What is in a dictionary has a reference there.
            let is_used = uses(sources, first + i);
            arguments.push(Content::Value(if is_used { self.f.borrowed(v) } else { v }));
        }
        (0..passed.at).map(|_| self.f.pop()).collect()
    }

    /// The tuple so far from the top of the stack, guarded to have the length that it really has. What may be above it is a dict, which is guarded to be
    /// empty.
    unsafe fn arguments_in_tuple(&mut self, at: usize) -> Option<Value> {
        if at > 1 {
            self.lacks_items(1)?;
        }
        self.tuple_of_arguments(at)
    }

    /// The same, whatever is above it.
    unsafe fn tuple_of_arguments(&mut self, at: usize) -> Option<Value> {
        let tuple = self.f.peek(at)?;
        let length = self.length_of(tuple, &raw mut ffi::PyTuple_Type);
        let expected = self.f.builder.const_i64(size(self.real(at)) as i64);
        self.f.at();
        self.f.builder.guard_cmp_i64(Cond::Eq, length, expected);
        Some(tuple)
    }

    /// The items (borrowed) of a tuple of this length.
    fn items_of(&mut self, tuple: Value, length: usize) -> Vec<Value> {
        let item = |i| {
            let index = self.f.builder.const_i64(i as i64);
            self.f.builder.load_tuple_item(tuple, index)
        };
        (0..length).map(item).collect()
    }
}
