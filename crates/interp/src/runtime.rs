//! What the interpreter asks of its host.

use crate::machine::Register;
use hotspur_ir::{CodeRef, FloatKind, Helper, IntKind, Moves, ObjRef, Resume, VirtualKind};

/// What a slot of a frame is to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content<O> {
    /// What is in memory.
    Unchanged,
    /// This object, or null; the slot owns the reference.
    Set(Option<O>),
}

/// A frame made from a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame<O> {
    /// Its code.
    pub code: CodeRef,
    /// The index of its current instruction, in code units.
    pub pc: u32,
    /// The function that it runs, with a reference that it owns, if it is to be pushed; none if it is in memory or a generator's.
    pub function: Option<O>,
    /// The generator whose frame it is, if that is to be pushed.
    pub generator: Option<O>,
    /// Its locals.
    pub locals: Vec<Content<O>>,
    /// Its value stack, from the bottom.
    pub stack: Vec<Content<O>>,
}

/// Objects, frames and the thread. Methods do what the op of the same name is documented to do; ownership is the op's too.
/// A method that may run Python code says so; the frames it may look at were written before.
#[allow(missing_docs, reason = "the table of ops documents the methods that are named after an op")]
pub trait Runtime {
    /// A reference to an object, not null. Copying it counts nothing.
    type Obj: Copy + Eq + core::fmt::Debug;

    // -- frames -----------------------------------------------------------------------------------------------------------

    fn load_local(&mut self, depth: usize, index: usize) -> Option<Self::Obj>;
    fn load_stack(&mut self, depth: usize, index: usize) -> Option<Self::Obj>;
    /// The namespace of a frame's global variables.
    fn globals(&mut self, depth: usize) -> Self::Obj;
    /// The namespace of a frame's builtins.
    fn builtins(&mut self, depth: usize) -> Self::Obj;
    fn spill_local(&mut self, depth: usize, index: usize, value: Option<Self::Obj>);
    fn spill_stack(&mut self, depth: usize, index: usize, value: Option<Self::Obj>);
    fn push_frame(&mut self, code: CodeRef, caller_pc: u32, function: Self::Obj, locals: Vec<Option<Self::Obj>>);
    /// May run Python code.
    fn pop_frame(&mut self);
    /// Whether the top frame is plain, as the guard has it.
    fn is_plain_frame(&mut self) -> bool;
    /// Returns from the top frame, and keeps where that leads. May run Python code.
    fn return_value(&mut self, value: Self::Obj, dropped: Vec<Option<Self::Obj>>);
    /// Brings the frames in memory to this state, and pushes those that are not. What is overwritten is not dropped.
    fn write_frames(&mut self, resume: Resume, frames: &[Frame<Self::Obj>]);
    /// Undoes the pushing of [`Runtime::write_frames`], dropping nothing. The answer: which locals other code has changed
    /// since, as frame, index, content with its reference.
    fn withdraw_frames(&mut self, frames: &[Frame<Self::Obj>]) -> Vec<(usize, usize, Option<Self::Obj>)>;

    // -- facts ------------------------------------------------------------------------------------------------------------

    fn const_obj(&mut self, object: ObjRef) -> Self::Obj;
    fn type_of(&mut self, value: Self::Obj) -> Self::Obj;
    /// The version of the object's type.
    fn type_version(&mut self, value: Self::Obj) -> u32;
    /// The version of the object, which is a class.
    fn class_version(&mut self, class: Self::Obj) -> u32;
    fn keys_version(&mut self, dict: Self::Obj) -> u32;
    fn shared_keys_version(&mut self, value: Self::Obj) -> u32;
    fn instance_keys_version(&mut self, class: Self::Obj) -> u32;
    fn global_version(&mut self, dict: Self::Obj) -> u32;
    fn function_version(&mut self, function: Self::Obj) -> u32;
    fn is_compact(&mut self, value: Self::Obj) -> bool;
    fn is_wide(&mut self, value: Self::Obj) -> bool;
    fn has_inline_values(&mut self, value: Self::Obj) -> bool;
    /// Whether a dictionary of an instance's attributes was made.
    fn has_dict(&mut self, value: Self::Obj) -> bool;
    /// Whether the executor is valid still.
    fn is_valid(&mut self) -> bool;
    /// For tests: whether a guard is to fail even if it holds, where that does no harm ([`Superblock::may_leave_at_will`](hotspur_ir::Superblock::may_leave_at_will)).
    fn wants_failure(&mut self) -> bool {
        false
    }
    /// Whether something asks the thread for attention.
    fn is_periodic_due(&mut self) -> bool;
    fn has_stack_space(&mut self) -> bool;

    // -- values -----------------------------------------------------------------------------------------------------------

    fn unbox_i64(&mut self, value: Self::Obj) -> i64;
    fn unbox_wide(&mut self, value: Self::Obj) -> i64;
    fn box_i64(&mut self, value: i64) -> Self::Obj;
    fn unbox_f64(&mut self, value: Self::Obj) -> f64;
    fn box_f64(&mut self, value: f64) -> Self::Obj;
    fn unbox_bool(&mut self, value: Self::Obj) -> bool;
    fn box_bool(&mut self, value: bool) -> Self::Obj;
    /// Builds an object of a kind; references in fields pass to it. Attributes of an instance that are not given are absent.
    fn build(&mut self, kind: VirtualKind, fields: Vec<Register<Self::Obj>>) -> Self::Obj;

    // -- heap -------------------------------------------------------------------------------------------------------------

    fn load_inline(&mut self, value: Self::Obj, index: usize) -> Option<Self::Obj>;
    fn store_inline(&mut self, value: Self::Obj, index: usize, content: Option<Self::Obj>);
    fn load_slot(&mut self, value: Self::Obj, offset: usize) -> Option<Self::Obj>;
    fn store_slot(&mut self, value: Self::Obj, offset: usize, content: Option<Self::Obj>);
    fn list_len(&mut self, list: Self::Obj) -> i64;
    fn list_items(&mut self, list: Self::Obj) -> u64;
    fn load_item(&mut self, items: u64, index: i64) -> Option<Self::Obj>;
    fn store_item(&mut self, items: u64, index: i64, content: Option<Self::Obj>);
    fn tuple_len(&mut self, tuple: Self::Obj) -> i64;
    fn load_tuple_item(&mut self, tuple: Self::Obj, index: i64) -> Option<Self::Obj>;
    fn typecode(&mut self, array: Self::Obj) -> u32;
    fn array_len(&mut self, array: Self::Obj) -> i64;
    fn array_elements(&mut self, array: Self::Obj, offset: usize) -> u64;
    fn inner_elements(&mut self, object: Self::Obj, offset: usize) -> u64;
    fn load_element_i64(&mut self, elements: u64, index: i64, kind: IntKind) -> i64;
    fn load_element_f64(&mut self, elements: u64, index: i64, kind: FloatKind) -> f64;
    fn store_element_i64(&mut self, elements: u64, index: i64, kind: IntKind, content: i64);
    fn store_element_f64(&mut self, elements: u64, index: i64, kind: FloatKind, content: f64);
    fn load_cell(&mut self, cell: Self::Obj) -> Option<Self::Obj>;
    fn store_cell(&mut self, cell: Self::Obj, content: Option<Self::Obj>);
    fn load_dict_value(&mut self, dict: Self::Obj, index: usize) -> Option<Self::Obj>;
    fn store_dict_value(&mut self, dict: Self::Obj, index: usize, content: Option<Self::Obj>);
    fn module_dict(&mut self, module: Self::Obj) -> Self::Obj;

    // -- references -------------------------------------------------------------------------------------------------------

    fn incref(&mut self, value: Self::Obj);
    /// May run Python code if the reference is the last.
    fn decref(&mut self, value: Self::Obj);
    fn decref_no_dealloc(&mut self, value: Self::Obj);
    /// How many references there are.
    fn refcount(&mut self, value: Self::Obj) -> usize;
    /// Whether references to it are not counted. Building such an object (a small int, the empty tuple) always yields the same one.
    fn is_immortal(&mut self, value: Self::Obj) -> bool;

    // -- iterators --------------------------------------------------------------------------------------------------------

    /// The next item, if there is one, as a new reference.
    fn list_iter_next(&mut self, iter: Self::Obj) -> Option<Self::Obj>;
    /// The next item, if there is one, as a new reference.
    fn tuple_iter_next(&mut self, iter: Self::Obj) -> Option<Self::Obj>;
    fn range_iter_next(&mut self, iter: Self::Obj) -> Option<i64>;
    /// Whether the list, tuple or range iterator has no next item.
    fn is_iter_done(&mut self, iter: Self::Obj) -> bool;

    // -- generators -------------------------------------------------------------------------------------------------------

    fn is_suspended_at(&mut self, generator: Self::Obj, code: CodeRef, pc: u32) -> bool;
    /// Whether new coroutines need not be told where they are made.
    fn is_untracked(&mut self) -> bool;
    fn load_generator(&mut self, generator: Self::Obj, index: usize) -> Option<Self::Obj>;
    fn store_generator(&mut self, generator: Self::Obj, index: usize, content: Option<Self::Obj>);
    fn generator_globals(&mut self, generator: Self::Obj) -> Self::Obj;
    fn generator_builtins(&mut self, generator: Self::Obj) -> Self::Obj;
    fn resume_generator(&mut self, generator: Self::Obj);
    fn suspend_generator(&mut self, generator: Self::Obj, code: CodeRef, pc: u32, stack: usize, delegates: bool);
    fn push_generator(&mut self, generator: Self::Obj, caller_pc: u32);
    fn pop_generator(&mut self);
    fn is_caller_at(&mut self, code: CodeRef, pc: u32) -> bool;
    fn unlink_first(&mut self) -> Self::Obj;
    /// May run Python code.
    fn finish_generator(&mut self, generator: Self::Obj);
    fn new_generator(
        &mut self,
        code: CodeRef,
        pc: u32,
        function: Self::Obj,
        locals: Vec<Option<Self::Obj>>,
    ) -> Self::Obj;

    // -- instructions of tier 1 -------------------------------------------------------------------------------------------

    /// Executes the instruction at this position of the top frame, which was written, and keeps where that leads. May run
    /// Python code, push a frame, unwind frames.
    fn execute(&mut self, pc: u32, moves: Moves);
    /// Whether that led to this position of a frame of this code with that many items on its stack, in the frame that
    /// `moves` says. (Whether the executor is valid is asked besides.)
    fn has_landed(&mut self, code: CodeRef, pc: u32, moves: Moves, stack: usize) -> bool;

    // -- calls ------------------------------------------------------------------------------------------------------------

    /// Calls a helper with arguments as its table has them. May run Python code if the table says so.
    fn call_helper(&mut self, helper: Helper, args: &[Register<Self::Obj>]) -> Option<Register<Self::Obj>>;
}
