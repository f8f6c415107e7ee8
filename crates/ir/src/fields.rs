//! Fields of ops: operands (values) and immediates.
//!
//! The table of ops names a *kind* for each field. [`field_kinds!`] is the one list of kinds; it says which Rust type a
//! field has in [`Op`](crate::Op), and what the verifier and the text format expect.

use crate::entities::{CodeRef, ExecutorRef, ObjRef, Value, VirtualId};
use crate::helpers::Helper;
use crate::reasons::ExitReason;
use crate::types::{Cond, Float, Type};
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
    Reason: ExitReason;
}

macro_rules! field_kinds {
    ($($(#[$doc:meta])* $name:ident = $variant:ident, $operand:expr;)*) => {
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
    };
}

field_kinds! {
    /// An object, borrowed.
    obj = Obj, Some(OperandKind::Borrowed);
    /// An object, stolen.
    own = Own, Some(OperandKind::Stolen);
    /// An integer.
    i64 = I64, Some(OperandKind::Unboxed(Type::I64));
    /// A double.
    f64 = F64, Some(OperandKind::Unboxed(Type::F64));
    /// A truth value.
    bool = Bool, Some(OperandKind::Unboxed(Type::Bool));
    /// An address.
    ptr = Ptr, Some(OperandKind::Unboxed(Type::Ptr));
    /// Any number of objects, stolen.
    owns = Owns, Some(OperandKind::Stolen);
    /// Any number of values of any type.
    anys = Anys, Some(OperandKind::Any);
    /// Number: which frame in memory, counted from the one where the superblock began.
    depth = Depth, None;
    /// Number: which item, entry, local or stack slot.
    index = Index, None;
    /// Number: bytes from the start of the object.
    offset = Offset, None;
    /// Number: a version.
    version = Version, None;
    /// Number: position in a code object, in code units.
    pc = Pc, None;
    /// An integer.
    int = Int, None;
    /// A double.
    float = Float, None;
    /// A truth value.
    truth = Truth, None;
    /// An object.
    object = Object, None;
    /// A code object.
    code = Code, None;
    /// An executor.
    executor = Executor, None;
    /// A virtual object.
    virt = Virtual, None;
    /// A helper.
    helper = Helper, None;
    /// A comparison.
    cond = Cond, None;
    /// Why the superblock is left.
    reason = Reason, None;
}

/// The Rust type of a field of a kind.
macro_rules! field_type {
    (obj) => { $crate::entities::Value };
    (own) => { $crate::entities::Value };
    (i64) => { $crate::entities::Value };
    (f64) => { $crate::entities::Value };
    (bool) => { $crate::entities::Value };
    (ptr) => { $crate::entities::Value };
    (owns) => { ::std::boxed::Box<[$crate::entities::Value]> };
    (anys) => { ::std::boxed::Box<[$crate::entities::Value]> };
    (depth) => { u32 };
    (index) => { u32 };
    (offset) => { u32 };
    (version) => { u32 };
    (pc) => { u32 };
    (int) => { i64 };
    (float) => { $crate::types::Float };
    (truth) => { bool };
    (object) => { $crate::entities::ObjRef };
    (code) => { $crate::entities::CodeRef };
    (executor) => { $crate::entities::ExecutorRef };
    (virt) => { $crate::entities::VirtualId };
    (helper) => { $crate::helpers::Helper };
    (cond) => { $crate::types::Cond };
    (reason) => { $crate::reasons::ExitReason };
}
pub(crate) use field_type;
