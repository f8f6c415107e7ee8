//! Lowering: which micro-ops an instruction becomes.
//!
//! One function for each instruction of CPython, by subject; [`FUNCTIONS`] finds it by the number of the base instruction. It is called
//! before the instruction runs, with the real registers, and looks at the operands as they really are (types, lengths, versions)
//! to decide what to guard. Its answer says where execution must be afterwards, which the recorder checks; or it is `None`: the instruction is left
//! to tier 1. It must not have changed any slot then, or emitted anything but loads and guards.
//!
//! The order within an instruction is always the same: guards, with the snapshot `at` it ([`Frames::at`]); effects; changes of the slots;
//! at last the drops ([`Lowering::done`]).

use crate::state::{Content, Frames};
use crate::trace::Keep;
use core::ffi::c_void;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_ir::{Helper, ObjRef, Resume, Value};
use hotspur_tier1::code::Word;
use hotspur_tier1::dispatch::State;
use hotspur_tier1::table::{LENGTH, op};

mod arithmetic;
mod arrays;
mod attributes;
mod binding;
mod builtin_calls;
mod builtins;
mod c_calls;
mod c_code;
pub(crate) mod calls;
mod cells;
mod compare;
mod containers;
mod control;
mod deques;
mod functions;
mod generators;
mod globals;
mod instances;
mod iteration;
mod locals;
mod numbers;
mod ranges;
mod sequences;
mod shims;
mod unpacked_calls;

pub(crate) use control::{Jump, finish_jump, resumed};
pub(crate) use generators::{begins_generator, goes_down_a_chain};

/// How an instruction that was lowered goes on.
pub(crate) enum Outcome {
    /// At this position of the same frame.
    Next(u32),
    /// At this position of the same frame, by a loop's back-edge.
    BackEdge(u32),
    /// As the first, a generator having yielded there.
    Yielded(u32),
    /// At the beginning of the function whose frame was pushed.
    Call,
    /// At this position of the same frame, once the frames that tier 1 pushes are gone.
    Around(u32),
    /// At one of two positions of the same frame: the guard is emitted once it is known which.
    Jump(Jump),
}

/// An instruction that is being lowered.
pub(crate) struct Lowering<'a> {
    /// The picture of the frames.
    pub f: &'a mut Frames,
    /// The registers before the instruction.
    pub s: State,
}

type Function = unsafe fn(&mut Lowering) -> Option<Outcome>;

/// Lowers the instruction at `s.pc`. None: it is left to tier 1.
pub(crate) unsafe fn lower(f: &mut Frames, s: State, base: u16) -> Option<Outcome> {
    let function = FUNCTIONS[usize::from(base)]?;
    function(&mut Lowering { f, s })
}

/// Lowers an instruction that has met too many kinds of operands, so that it does not matter what they are. `room`: how deep C calls may be
/// nested. None: it is left to tier 1.
pub(crate) unsafe fn lower_polymorphic(f: &mut Frames, s: State, base: u16, room: i32) -> Option<Outcome> {
    let mut l = Lowering { f, s };
    match base {
        op::LOAD_ATTR => attributes::load_any_attr(&mut l),
        op::CALL => {
            let told = calls::isinstance_of_any(&mut l);
            let told = if told.is_some() { told } else { builtin_calls::call_of_any(&mut l) };
            if told.is_some() { told } else { c_calls::call_any(&mut l, room) }
        }
        _ => None,
    }
}

macro_rules! functions {
    ($($module:ident: $($name:ident => $function:ident),+;)*) => {
        /// Lowering functions by the number of the base instruction.
        static FUNCTIONS: [Option<Function>; hotspur_tier1::table::COUNT] = {
            let mut t: [Option<Function>; hotspur_tier1::table::COUNT] = [None; hotspur_tier1::table::COUNT];
            $($(t[op::$name as usize] = Some($module::$function);)+)*
            t
        };
    };
}

functions! {
    control:
        NOP => nop, EXTENDED_ARG => nop, RESUME => resume,
        JUMP_FORWARD => jump_forward, JUMP_BACKWARD => jump_backward, JUMP_BACKWARD_NO_INTERRUPT => jump_backward_no_interrupt,
        POP_JUMP_IF_FALSE => pop_jump, POP_JUMP_IF_TRUE => pop_jump,
        POP_JUMP_IF_NONE => pop_jump, POP_JUMP_IF_NOT_NONE => pop_jump;
    locals:
        LOAD_FAST => load_fast, LOAD_FAST_LOAD_FAST => load_fast_load_fast, LOAD_FAST_CHECK => load_fast_check,
        LOAD_FAST_AND_CLEAR => load_fast_and_clear, STORE_FAST => store_fast, STORE_FAST_LOAD_FAST => store_fast_load_fast,
        STORE_FAST_STORE_FAST => store_fast_store_fast, DELETE_FAST => delete_fast, LOAD_CONST => load_const,
        POP_TOP => pop_top, END_FOR => pop_top, PUSH_NULL => push_null, COPY => copy, SWAP => swap, END_SEND => end_send;
    compare:
        COMPARE_OP => compare_op, IS_OP => is_op, TO_BOOL => to_bool, UNARY_NOT => unary_not;
    arithmetic:
        BINARY_OP => binary_op, UNARY_NEGATIVE => unary_negative, UNARY_INVERT => unary_invert;
    attributes:
        LOAD_ATTR => load_attr, STORE_ATTR => store_attr;
    globals:
        LOAD_GLOBAL => load_global, STORE_GLOBAL => store_global;
    functions:
        MAKE_FUNCTION => make_function, SET_FUNCTION_ATTRIBUTE => set_function_attribute, MAKE_CELL => make_cell,
        LOAD_SUPER_ATTR => load_super_attr, FORMAT_SIMPLE => format_simple, FORMAT_WITH_SPEC => format_with_spec,
        CONVERT_VALUE => convert_value, BUILD_STRING => build_string;
    cells:
        COPY_FREE_VARS => copy_free_vars, LOAD_DEREF => load_deref, STORE_DEREF => store_deref;
    sequences:
        BINARY_SUBSCR => binary_subscr, STORE_SUBSCR => store_subscr, UNPACK_SEQUENCE => unpack_sequence,
        BUILD_TUPLE => build_tuple, BUILD_LIST => build_list, BUILD_SLICE => build_slice,
        LIST_APPEND => list_append, GET_LEN => get_len;
    containers:
        CONTAINS_OP => contains_op, BINARY_SLICE => binary_slice, GET_ITER => get_iter, DELETE_SUBSCR => delete_subscr,
        BUILD_MAP => build_map, BUILD_CONST_KEY_MAP => build_const_key_map, BUILD_SET => build_set, MAP_ADD => map_add, SET_ADD => set_add, LIST_EXTEND => list_extend, STORE_SLICE => store_slice,
        DICT_MERGE => dict_merge, CALL_INTRINSIC_1 => call_intrinsic_1;
    iteration:
        FOR_ITER => for_iter;
    generators:
        SEND => send, YIELD_VALUE => yield_value, RETURN_GENERATOR => return_generator, GET_AWAITABLE => get_awaitable,
        GET_YIELD_FROM_ITER => get_yield_from_iter;
    calls:
        CALL => call, CALL_KW => call_kw, EXIT_RETURN => exit_return, RETURN_VALUE => return_value, RETURN_CONST => return_const, BEFORE_WITH => before_with, BEFORE_ASYNC_WITH => before_with;
    instances:
        INIT_RETURN => init_return, ASSIGNMENT_RETURN => init_return;
    unpacked_calls:
        CALL_FUNCTION_EX => call_function_ex;
    shims:
        METHOD_RETURN => method_return, NEXT_RETURN => next_return;
}

impl Lowering<'_> {
    unsafe fn oparg(&self) -> usize {
        self.s.oparg()
    }

    /// Number of the instruction as it is specialized.
    unsafe fn op(&self) -> u16 {
        (*self.s.pc).op
    }

    /// The real stack item `n` from the top.
    unsafe fn real(&self, n: usize) -> *mut PyObject {
        self.s.peek(n)
    }

    /// The real local.
    unsafe fn real_local(&self, i: usize) -> *mut PyObject {
        *self.s.local(i)
    }

    /// The position `words` after the instruction.
    fn position(&self, words: usize) -> u32 {
        self.f.top().pc + words as u32
    }

    unsafe fn length(&self) -> usize {
        usize::from(LENGTH[usize::from(self.op())])
    }

    /// The halves of the first cache word.
    unsafe fn halves(&self) -> (u32, u32) {
        let word = *Word::cache(self.s.pc.add(1));
        (word as u32, (word >> 32) as u32)
    }

    /// The object in the second cache word.
    unsafe fn cached(&self) -> *mut PyObject {
        (*Word::cache(self.s.pc.add(2)) as usize as *mut c_void).cast()
    }

    /// Drops what died, and goes on behind the instruction.
    unsafe fn done(&mut self) -> Option<Outcome> {
        self.f.drop_dead(None);
        Some(Outcome::Next(self.position(self.length())))
    }

    /// The stack item `n` from the top in a form that can be moved: a value that is not null, or null. Where only memory knows, the
    /// real item decides, and is guarded.
    unsafe fn movable(&mut self, n: usize) -> Content {
        let Some(v) = self.f.peek_or_null(n) else { return Content::Null };
        if !self.f.info(v).nullable {
            return Content::Value(v);
        }
        let content = self.decide_null(v, self.real(n).is_null());
        if content == Content::Null {
            self.f.item_stays_null(n);
        }
        content
    }

    /// Guards that a value that may be null is or is not, as it really is.
    fn decide_null(&mut self, v: Value, is_null: bool) -> Content {
        self.f.at();
        if is_null {
            self.f.builder.guard_null(v);
            return Content::Null;
        }
        self.f.builder.guard_not_null(v);
        self.f.info(v).nullable = false;
        Content::Value(v)
    }

    /// Before an object is overwritten whose last reference may die thereby: if it really is a number or a string, as what replaces it is,
    /// expects the same the next time, or none, so that dropping it runs no code. (None: a loop's variable is not bound when the loop
    /// is entered.)
    unsafe fn expect_quiet(&mut self, old: Value, real_old: *mut PyObject, real_new: *mut PyObject) {
        let class = ty(real_old);
        if class == ty(real_new) && crate::facts::dies_quietly(class) && !crate::facts::is_immortal_class(class) {
            self.f.guard_class_or_null(old, class);
        }
    }

    /// Guards that a value is this object, unless that is known.
    fn guard_is(&mut self, v: Value, object: *mut PyObject, id: ObjRef) {
        if self.f.info(v).constant == object {
            return;
        }
        self.f.at();
        self.f.builder.guard_is(v, id);
        let keep = self.f.objects[id.as_u32() as usize].keep;
        let info = self.f.info(v);
        info.constant = object;
        info.nullable = false;
        info.held |= keep != Keep::Guarded;
    }

    /// The operand `n` from the top, guarded to be of exactly the static type that it really is of.
    unsafe fn exact(&mut self, n: usize) -> Option<Value> {
        let class = ty(self.real(n));
        if !crate::facts::is_static(class) {
            return None;
        }
        let v = self.f.peek(n)?;
        let v = self.f.boxed(v);
        self.f.guard_class(v, class);
        Some(v)
    }

    /// The operand `n` from the top, a key. The helper it is for looks at what it is, so a class that can be changed is not guarded.
    unsafe fn key(&mut self, n: usize) -> Option<Value> {
        if crate::facts::is_static(ty(self.real(n))) {
            return self.exact(n);
        }
        let v = self.f.peek(n)?;
        Some(self.f.boxed(v))
    }

    /// The operand `n` from the top, a receiver or what is iterated over, guarded to be of the very type that it is of.
    unsafe fn receiver(&mut self, n: usize) -> Option<Value> {
        let real = self.real(n);
        if crate::facts::is_static(ty(real)) {
            return self.exact(n);
        }
        let v = self.f.peek(n)?;
        self.guard_version(v, real, (*ty(real)).tp_version_tag);
        Some(v)
    }

    /// Calls a helper that raises and runs no code. The result is new.
    unsafe fn raising(&mut self, helper: Helper, args: &[Value]) -> Option<Value> {
        self.f.snapshot(Resume::Raise);
        let result = self.f.builder.call_helper(helper, args)?;
        self.f.builder.check_error(result);
        Some(self.f.owned(result))
    }

    /// Calls a helper that yields a new object, or null if it cannot: then the instruction is left to tier 1.
    unsafe fn found(&mut self, helper: Helper, args: &[Value]) -> Option<Value> {
        self.f.at();
        let result = self.f.builder.call_helper(helper, args)?;
        self.f.builder.guard_not_null(result);
        Some(self.f.owned(result))
    }
}
