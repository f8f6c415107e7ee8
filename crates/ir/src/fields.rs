//! Fields of ops: operands (values) and immediates.
//!
//! The table of ops names a *kind* for each field. `field_kinds!` is the one list of kinds; it says which Rust type a
//! field has in [`Op`](crate::Op), and what the verifier and the text format expect.

use crate::elements::{FloatKind, IntKind};
use crate::entities::{CodeRef, ExecutorRef, ObjRef, Value, VirtualId};
use crate::helpers::Helper;
use crate::reasons::ExitReason;
use crate::types::{Cond, Float, Moves, Type};
use core::fmt;

/// What an op expects of an operand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OperandKind {
    /// An object, borrowed: the op leaves its references alone, or takes new ones.
    Borrowed,
    /// An object, stolen: a reference that the superblock owned passes to the op.
    Stolen,
    /// An unboxed value of this type.
    Unboxed(Type),
    /// A value of any type; whoever owned it goes on owning it.
    Any,
}

impl OperandKind {
    /// Whether a value of this type will do.
    pub fn accepts(self, ty: Type) -> bool {
        match self {
            OperandKind::Borrowed | OperandKind::Stolen => ty == Type::Obj,
            OperandKind::Unboxed(t) => t == ty,
            OperandKind::Any => true,
        }
    }
}

impl fmt::Display for OperandKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OperandKind::Borrowed | OperandKind::Stolen => f.write_str("obj"),
            OperandKind::Unboxed(t) => t.fmt(f),
            OperandKind::Any => f.write_str("any type"),
        }
    }
}

/// An immediate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Imm {
    /// A number that is no value of the program: index, offset, depth, version, position.
    Number(u32),
    /// An integer.
    Int(i64),
    /// A double.
    Float(Float),
    /// A truth value.
    Truth(bool),
    /// An object.
    Object(ObjRef),
    /// A code object.
    Code(CodeRef),
    /// An executor.
    Executor(ExecutorRef),
    /// A virtual object.
    Virtual(VirtualId),
    /// A helper.
    Helper(Helper),
    /// A comparison.
    Cond(Cond),
    /// Where an instruction leaves execution.
    Moves(Moves),
    /// What an integer is in memory.
    IntKind(IntKind),
    /// What a double is in memory.
    FloatKind(FloatKind),
    /// Why the superblock is left.
    Reason(ExitReason),
}

/// A field of an op, by value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Field {
    /// One operand.
    Value(Value),
    /// Any number of operands. The text format puts them in brackets.
    Values(Box<[Value]>),
    /// An immediate.
    Imm(Imm),
}

/// A Rust type that is the type of a field of [`Op`](crate::Op).
pub trait FieldType: Sized {
    /// What a builder method takes for the field.
    type Param<'a>;
    /// The field that a builder method was given.
    fn from_param(param: Self::Param<'_>) -> Self;
    /// The field.
    fn get(&self) -> Field;
    /// The field, if it is of the right sort.
    fn from_field(field: Field) -> Option<Self>;
    /// Calls `f` with each value in the field.
    fn each_value(&self, f: &mut dyn FnMut(Value));
    /// Replaces each value in the field.
    fn map_values(&mut self, f: &mut dyn FnMut(Value) -> Value);
}

impl FieldType for Value {
    type Param<'a> = Value;
    fn from_param(param: Value) -> Value {
        param
    }
    fn get(&self) -> Field {
        Field::Value(*self)
    }
    fn from_field(field: Field) -> Option<Self> {
        if let Field::Value(v) = field { Some(v) } else { None }
    }
    fn each_value(&self, f: &mut dyn FnMut(Value)) {
        f(*self);
    }
    fn map_values(&mut self, f: &mut dyn FnMut(Value) -> Value) {
        *self = f(*self);
    }
}

impl FieldType for Box<[Value]> {
    type Param<'a> = &'a [Value];
    fn from_param(param: &[Value]) -> Self {
        param.into()
    }
    fn get(&self) -> Field {
        Field::Values(self.clone())
    }
    fn from_field(field: Field) -> Option<Self> {
        if let Field::Values(v) = field { Some(v) } else { None }
    }
    fn each_value(&self, f: &mut dyn FnMut(Value)) {
        self.iter().for_each(|&v| f(v));
    }
    fn map_values(&mut self, f: &mut dyn FnMut(Value) -> Value) {
        for v in self {
            *v = f(*v);
        }
    }
}

macro_rules! immediates {
    ($($variant:ident: $ty:ty;)*) => {$(
        impl FieldType for $ty {
            type Param<'a> = $ty;
            fn from_param(param: $ty) -> $ty {
                param
            }
            fn get(&self) -> Field {
                Field::Imm(Imm::$variant(*self))
            }
            fn from_field(field: Field) -> Option<Self> {
                if let Field::Imm(Imm::$variant(x)) = field { Some(x) } else { None }
            }
            fn each_value(&self, _: &mut dyn FnMut(Value)) {}
            fn map_values(&mut self, _: &mut dyn FnMut(Value) -> Value) {}
        }
    )*};
}

immediates! {
    Number: u32;
    Int: i64;
    Float: Float;
    Truth: bool;
    Object: ObjRef;
    Code: CodeRef;
    Executor: ExecutorRef;
    Virtual: VirtualId;
    Helper: Helper;
    Cond: Cond;
    Moves: Moves;
    IntKind: IntKind;
    FloatKind: FloatKind;
    Reason: ExitReason;
}

macro_rules! field_kinds {
    ($($(#[$doc:meta])* $name:ident = $variant:ident: $ty:ty, $operand:expr;)*) => {
        /// The kind of a field, as the table of ops names it.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum FieldKind { $($(#[$doc])* $variant),* }

        impl FieldKind {
            /// What is expected of the operand or operands; none for an immediate.
            pub const fn operand(self) -> Option<OperandKind> {
                match self { $(FieldKind::$variant => $operand),* }
            }

            /// The name in the table of ops.
            pub const fn name(self) -> &'static str {
                match self { $(FieldKind::$variant => stringify!($name)),* }
            }
        }

        /// The [`FieldKind`] that the table calls by a name.
        macro_rules! field_kind { $(($name) => { $crate::fields::FieldKind::$variant };)* }
        pub(crate) use field_kind;

        /// The Rust type of a field of the kind that the table calls by a name.
        macro_rules! field_type { $(($name) => { $ty };)* }
        pub(crate) use field_type;
    };
}

field_kinds! {
    /// An object, borrowed.
    obj = Obj: Value, Some(OperandKind::Borrowed);
    /// An object, stolen.
    own = Own: Value, Some(OperandKind::Stolen);
    /// An integer.
    i64 = I64: Value, Some(OperandKind::Unboxed(Type::I64));
    /// A double.
    f64 = F64: Value, Some(OperandKind::Unboxed(Type::F64));
    /// A truth value.
    bool = Bool: Value, Some(OperandKind::Unboxed(Type::Bool));
    /// An address.
    ptr = Ptr: Value, Some(OperandKind::Unboxed(Type::Ptr));
    /// Any number of objects, stolen.
    owns = Owns: Box<[Value]>, Some(OperandKind::Stolen);
    /// Any number of values of any type.
    anys = Anys: Box<[Value]>, Some(OperandKind::Any);
    /// Number: which frame in memory, counted from the one where the superblock began.
    depth = Depth: u32, None;
    /// Number: which item, entry, local or stack slot.
    index = Index: u32, None;
    /// Number: bytes from the start of the object.
    offset = Offset: u32, None;
    /// Number: a version.
    version = Version: u32, None;
    /// Number: position in a code object, in code units.
    pc = Pc: u32, None;
    /// An integer.
    int = Int: i64, None;
    /// A double.
    float = Float: Float, None;
    /// A truth value.
    truth = Truth: bool, None;
    /// An object.
    object = Object: ObjRef, None;
    /// A code object.
    code = Code: CodeRef, None;
    /// An executor.
    executor = Executor: ExecutorRef, None;
    /// A virtual object.
    virt = Virtual: VirtualId, None;
    /// A helper.
    helper = Helper: Helper, None;
    /// A comparison.
    cond = Cond: Cond, None;
    /// Where an instruction leaves execution.
    moves = Moves: Moves, None;
    /// What an integer is in memory.
    int_kind = IntKind: IntKind, None;
    /// What a double is in memory.
    float_kind = FloatKind: FloatKind, None;
    /// Why the superblock is left.
    reason = Reason: ExitReason, None;
}
