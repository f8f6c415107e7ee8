//! CALL_FUNCTION_EX: calls whose arguments are in a tuple.

use super::binding::{bind, has_defaults};
use super::calls::{can_be_known, enter, guard_function, plain};
use super::{Lowering, Outcome};
use crate::state::Content;
use hotspur_cpython_sys::*;
use hotspur_ir::{Cond, Helper, Value};

/// CALL_FUNCTION_EX with a tuple, and no keywords, or an empty dict of them: the tuple's items are the arguments. It is dropped once they have references of
/// their own. A method of a function in Python is entered like that.
pub(super) unsafe fn call_function_ex(l: &mut Lowering) -> Option<Outcome> {
    let at = 1 + (l.oparg() & 1);
    let (real_tuple, real_callable) = (l.real(at), l.real(at + 2));
    if !is_type(real_tuple, &raw mut ffi::PyTuple_Type) {
        return None;
    }
    let n = size(real_tuple) as usize;
    let is_method = ty(real_callable) == &raw mut PyMethod_Type;
    let real = if is_method { (*real_callable.cast::<PyMethodObject>()).im_func } else { real_callable };
    if ty(real) != &raw mut PyFunction_Type {
        return of_c_code(l, at);
    }
    let (real_function, cs) = plain(real)?;
    let sources = bind(real_function, n + usize::from(is_method), &[])?;
    let callable = l.f.peek(at + 2)?;
    let parts = is_method.then(|| l.parts_of_method(callable));
    let function = parts.map_or(callable, |[function, _]| function);
    if has_defaults(&sources) && !can_be_known(l, function, real) {
        return None;
    }
    let tuple = l.arguments_in_tuple(at)?;
    let is_known = guard_function(l, function, real);
    let code = l.f.code((*real_function).func_code.cast::<PyCodeObject>());
    let sources = l.prepared(sources, 0)?;
    let mut arguments = Vec::new();
    if let Some([function, receiver]) = parts {
        l.f.keep_alive(function);
        l.f.keep_alive(receiver);
        arguments.push(Content::Value(receiver));
    }
    for item in l.items_of(tuple, n) {
        arguments.push(Content::Value(l.f.borrowed(item)));
    }
    // A function goes on being referred to, by its frame.
    let mut dropped: Vec<_> = (0..at).map(|_| l.f.pop()).collect();
    l.f.pop();
    let callable = l.f.pop();
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
    /// The tuple so far from the top of the stack, guarded to have the length that it really has. What may be above it is a dict, which is guarded to be
    /// empty.
    unsafe fn arguments_in_tuple(&mut self, at: usize) -> Option<Value> {
        if at > 1 {
            self.lacks_items(1)?;
        }
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
