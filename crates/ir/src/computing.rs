//! Ops that compute: their rows end with `computes` and a function on machine values, which is all that there is to say of them. What
//! executes ops derives from it: [`Op::compute`] for the tier 2 interpreter, the optimizer's constants and the recorder, and
//! [`Opcode::function`] for machine code, which calls it unless the code generator has something better.
//!
//! [`op_that_computes!`](crate::op_that_computes) is a pattern of all these ops, so that a match over ops can have one arm for them and
//! still no `_`.

use crate::entities::Value;
use crate::fields::Field;
use crate::ops::{Op, Opcode};
use crate::table::for_each_op;
use crate::table::names::arithmetic;
use crate::types::{Cond, Type};
use cranelift_entity::EntityRef;

/// The value of an operand or result that is no object.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Unboxed {
    /// An integer.
    I64(i64),
    /// A double.
    F64(f64),
    /// A truth value.
    Bool(bool),
}

impl Unboxed {
    /// Its type.
    pub const fn ty(self) -> Type {
        match self {
            Unboxed::I64(_) => Type::I64,
            Unboxed::F64(_) => Type::F64,
            Unboxed::Bool(_) => Type::Bool,
        }
    }
}

/// Where operands have their values from. The methods are called what kinds of operands are called.
pub trait Operands {
    /// There is no such value.
    type Missing;
    /// The value of an integer.
    fn i64(&self, v: Value) -> Result<i64, Self::Missing>;
    /// The value of a double.
    fn f64(&self, v: Value) -> Result<f64, Self::Missing>;
    /// The value of a truth value.
    fn bool(&self, v: Value) -> Result<bool, Self::Missing>;
}

/// Values by their numbers: see [`Opcode::on`].
impl Operands for [Unboxed] {
    type Missing = ();

    fn i64(&self, v: Value) -> Result<i64, ()> {
        if let Some(&Unboxed::I64(n)) = self.get(v.index()) { Ok(n) } else { Err(()) }
    }

    fn f64(&self, v: Value) -> Result<f64, ()> {
        if let Some(&Unboxed::F64(x)) = self.get(v.index()) { Ok(x) } else { Err(()) }
    }

    fn bool(&self, v: Value) -> Result<bool, ()> {
        if let Some(&Unboxed::Bool(b)) = self.get(v.index()) { Ok(b) } else { Err(()) }
    }
}

impl Opcode {
    /// What the op yields for these operands, or `None` inside for an exit. None if they are not its operands, or if it is no op that
    /// computes.
    pub fn on(self, operands: &[Unboxed]) -> Option<Option<Unboxed>> {
        let fields = (0..operands.len()).map(|i| Field::Value(Value::new(i)));
        self.with_fields(fields)?.compute(operands)?.ok()
    }
}

/// What the function of an op that exits returns to machine code: two registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Answer {
    /// The result: an integer, the bits of a double, or 0 or 1.
    pub bits: u64,
    /// 1, or 0 if the op exits.
    pub is_some: u64,
}

/// What the function of a row yields.
trait Yielded {
    /// How machine code gets it.
    type Abi;
    fn abi(self) -> Self::Abi;
    fn unboxed(self) -> Option<Unboxed>;
}

macro_rules! yielded {
    ($($ty:ty, $variant:ident, $bits:expr;)*) => {$(
        impl Yielded for $ty {
            type Abi = $ty;
            fn abi(self) -> $ty {
                self
            }
            fn unboxed(self) -> Option<Unboxed> {
                Some(Unboxed::$variant(self))
            }
        }

        impl Yielded for Option<$ty> {
            type Abi = Answer;
            fn abi(self) -> Answer {
                self.map_or(Answer { bits: 0, is_some: 0 }, |value| Answer { bits: ($bits)(value), is_some: 1 })
            }
            fn unboxed(self) -> Option<Unboxed> {
                self.map(Unboxed::$variant)
            }
        }
    )*};
}

yielded! {
    i64, I64, |n| n as u64;
    f64, F64, f64::to_bits;
    bool, Bool, u64::from;
}

/// The type of a parameter, by the kind of the field.
macro_rules! parameter {
    (i64) => {
        i64
    };
    (f64) => {
        f64
    };
    (bool) => {
        bool
    };
    (cond) => {
        Cond
    };
}

/// What a function yields, by the op's result and effects.
macro_rules! result {
    (I64 pure) => { i64 };
    (F64 pure) => { f64 };
    (Bool pure) => { bool };
    ($result:ident exits) => { Option<result!($result pure)> };
}

/// The argument for a field.
macro_rules! argument {
    ($operands:ident, cond, $field:ident) => {
        *$field
    };
    ($operands:ident, $kind:ident, $field:ident) => {
        $operands.$kind(*$field)?
    };
}

macro_rules! compute {
    ($operands:ident ($($field:ident: $kind:ident),*) $result:ident $effects:tt) => { None };
    ($operands:ident ($($field:ident: $kind:ident),*) $result:ident ($effect:ident) $meaning:expr) => {
        Some((|| {
            let meaning: fn($(parameter!($kind)),*) -> result!($result $effect) = $meaning;
            Ok(meaning($(argument!($operands, $kind, $field)),*).unboxed())
        })())
    };
}

macro_rules! function {
    (($($field:ident: $kind:ident),*) $result:ident $effects:tt) => { None };
    (($($field:ident: $kind:ident),*) $result:ident ($effect:ident) $meaning:expr) => {{
        extern "C" fn function($($field: parameter!($kind)),*) -> <result!($result $effect) as Yielded>::Abi {
            let meaning: fn($(parameter!($kind)),*) -> result!($result $effect) = $meaning;
            meaning($($field),*).abi()
        }
        Some(function as *const () as usize)
    }};
}

/// What stands behind the meaning.
#[doc(hidden)]
#[macro_export]
macro_rules! __of_meaning {
    ($meaning:expr, $($what:tt)*) => { $($what)* };
}

macro_rules! define_computing {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:ident($($field:ident: $kind:ident),*) -> $result:ident,
        $($effect:ident($($e:expr),*)).* $(, computes($meaning:expr))?;)*) => {
        impl Op {
            /// What the op yields, or `None` for an exit; an error if an operand has no value there. None if it is no op that computes.
            #[allow(unused_variables, reason = "fields of ops that do not compute")]
            pub fn compute<O: Operands + ?Sized>(&self, operands: &O) -> Option<Result<Option<Unboxed>, O::Missing>> {
                match self {
                    $(Op::$variant { $($field),* } => {
                        compute!(operands ($($field: $kind),*) $result ($($effect)*) $($meaning)?)
                    })*
                }
            }
        }

        impl Opcode {
            /// The ops that compute, in the order of the table.
            pub const COMPUTING: &[Opcode] = &[$($($crate::__of_meaning!($meaning, Opcode::$variant),)?)*];

            /// The address of a function of C's calling convention that does what the op does. Its parameters are the op's fields (a
            /// comparison by its number, in a byte); it returns the result, or an [`Answer`] if the op exits. None if it is no op that
            /// computes.
            pub fn function(self) -> Option<usize> {
                match self {
                    $(Opcode::$variant => function!(($($field: $kind),*) $result ($($effect)*) $($meaning)?),)*
                }
            }
        }

        /// A pattern: any op that computes.
        #[macro_export]
        macro_rules! op_that_computes {
            () => { $($(| $crate::__of_meaning!($meaning, $crate::Op::$variant { .. }))?)* };
        }
    };
}

for_each_op!(define_computing);
