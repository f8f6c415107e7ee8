//! Calls of C code of which nothing else is known: other code may run, and sees frames as they are at the call.
//!
//! Frames and locals are brought to memory before ([`Frames::flush_visible`](crate::state::Frames::flush_visible)), once, so that all there is to show is the
//! position. What is known of values stays known: that no local was changed is checked behind the call.

use super::{Lowering, Outcome};
use crate::facts;
use hotspur_cpython_sys::ffi::PyTypeObject;
use hotspur_cpython_sys::*;
use hotspur_ir::{Helper, Value};
use hotspur_tier1::table::op;

/// Whether calls of an object of this type, no class, are C code whatever the object is.
fn is_c_function(class: *mut PyTypeObject) -> bool {
    [&raw mut ffi::PyCFunction_Type, &raw mut PyMethodDescr_Type, &raw mut PyWrapperDescr_Type].contains(&class)
}

impl Lowering<'_> {
    /// Calls a helper that may run any code and yields a new object or raises. It sees frames and locals in memory.
    pub(super) unsafe fn running_code(&mut self, helper: Helper, args: &[Value]) -> Option<Value> {
        self.f.flush_visible();
        let result = self.raising(helper, args)?;
        self.f.runs_code();
        Some(result)
    }

    /// Guards that a call is left to C code, as it is now. None: tier 1 would or might enter a frame. `at`: where the callable is, from the top of the
    /// stack.
    pub(super) unsafe fn guard_c_code(&mut self, at: usize) -> Option<Value> {
        let real = self.real(at);
        let class = ty(real);
        // With its arguments in a tuple, whatever is not a function is called by C; with names of arguments, what has been looked at before is not.
        let is_unpacked = self.op() == op::CALL_FUNCTION_EX;
        let is_general =
            is_unpacked || matches!(self.op(), op::CALL_NON_PY_GENERAL | op::CALL_BUILTIN_CLASS | op::CALL_KW);
        let callable = self.f.peek(at)?;
        if ffi::PyType_Check(real) != 0 {
            if !is_general && !facts::is_static(real.cast()) {
                return None;
            }
            self.know_class(callable, real)?;
        } else if is_c_function(class) || is_unpacked && class == &raw mut PyMethod_Type {
            if self.f.info(callable).constant != real {
                self.f.guard_class(callable, class);
            }
        } else {
            let has_frame = [&raw mut PyFunction_Type, &raw mut PyMethod_Type].contains(&class);
            if has_frame || !is_general || !facts::is_reliable(class) {
                return None;
            }
            self.guard_version(callable, real, (*class).tp_version_tag);
        }
        Some(callable)
    }

    /// So many items from the top of the stack down to this one, objects or null.
    fn call_operands(&mut self, count: usize, last: usize) -> Vec<Value> {
        let operand = |i| match self.f.peek_or_null(i) {
            Some(v) => self.f.boxed(v),
            None => self.f.builder.const_null(),
        };
        (last..last + count).rev().map(operand).collect()
    }
}

/// CALL.
pub(super) unsafe fn call(l: &mut Lowering) -> Option<Outcome> {
    if l.op() == op::CALL_CONSUMER {
        return None;
    }
    let n = l.oparg();
    let mut values = vec![l.guard_c_code(n + 2)?];
    values.extend(l.call_operands(n + 1, 1));
    let result = l.running_code(Helper::Call, &values)?;
    l.called(n, result)
}

/// CALL_KW. The names are a constant.
pub(super) unsafe fn call_kw(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    let callable = l.guard_c_code(n + 3)?;
    let mut values = vec![callable, l.f.peek(1)?];
    values.extend(l.call_operands(n + 1, 2));
    let result = l.running_code(Helper::CallKw, &values)?;
    // As tier 1 drops them.
    let names = l.f.pop();
    let mut operands: Vec<_> = (0..n + 2).map(|_| l.f.pop()).collect();
    operands.reverse();
    l.f.push_value(result);
    l.f.release(names);
    for operand in operands {
        l.f.release(operand);
    }
    l.done()
}

/// CALL of whatever it is, where alternatives for each of the functions would be too many. It runs in an activation of its own, so that all that is known
/// here stays known. None: C calls are nested too deep for that, so that tier 1 has to push the frame.
pub(super) unsafe fn call_any(l: &mut Lowering, room: i32) -> Option<Outcome> {
    if nested_c_calls((*l.s.cx).tstate) >= room || l.op() == op::CALL_CONSUMER {
        return None;
    }
    let n = l.oparg();
    let callable = l.f.peek(n + 2)?;
    for i in 1..=n {
        l.f.peek(i)?;
    }
    l.movable(n + 1);
    l.done_unless_zero(Helper::HasRoom, &[callable])?;
    l.f.flush_visible();
    // The callee's frame gets them, as in tier 1.
    let mut operands: Vec<_> = (0..n + 2).map(|_| l.f.pop_moved()).collect();
    operands.reverse();
    let result = l.raising(Helper::CallAny, &operands)?;
    l.f.runs_code();
    l.f.push_value(result);
    l.f.drop_dead(None);
    Some(Outcome::Around(l.position(l.length())))
}
