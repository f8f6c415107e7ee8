//! What derives from the table of ops: [`Op`], [`Opcode`], [`OpInfo`].

use crate::effects::Effects;
use crate::elements::{FloatKind, IntKind};
use crate::entities::{CodeRef, ExecutorRef, ObjRef, Value, VirtualId};
use crate::fields::{Field, FieldKind, FieldType, OperandKind, field_kind, field_type};
use crate::helpers::Helper;
use crate::reasons::ExitReason;
use crate::table::for_each_op;
use crate::table::names::{Ends, M, R};
use crate::types::{Cond, Float, Moves, ResultKind};
use smallvec::SmallVec;

/// What the table says of an op.
#[derive(Debug, Clone, Copy)]
pub struct OpInfo {
    /// Name in the text format.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Names and kinds of its fields, in the order of the text format.
    pub fields: &'static [(&'static str, FieldKind)],
    /// What it yields.
    pub result: ResultKind,
    /// What else it does. For one op the table of helpers has more to say: see [`Op::effects`].
    pub effects: Effects,
}

macro_rules! define_ops {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:ident($($field:ident: $kind:ident),*) -> $result:ident,
        $($effect:ident($($e:expr),*)).* $(, computes($meaning:expr))?;)*) => {
        /// A micro-op with its operands and immediates.
        #[derive(Clone, PartialEq, Eq, Hash, Debug)]
        #[allow(missing_docs, reason = "fields are described by the text of their op")]
        pub enum Op { $($(#[doc = $doc])+ $variant { $($field: field_type!($kind)),* }),* }

        /// A micro-op without its operands and immediates.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Opcode { $($(#[doc = $doc])+ $variant),* }

        impl Opcode {
            /// Every op, in the order of the table.
            pub const ALL: &[Opcode] = &[$(Opcode::$variant),*];

            /// Its row in the table.
            pub const fn info(self) -> &'static OpInfo {
                match self {
                    $(Opcode::$variant => const { &OpInfo {
                        name: stringify!($name),
                        doc: concat!($($doc, "\n"),+),
                        fields: &[$((stringify!($field), field_kind!($kind))),*],
                        result: ResultKind::$result,
                        effects: Effects::NONE$(.$effect($($e),*))*,
                    } },)*
                }
            }

            /// The op with these fields. None if their number or sorts are not those of the table.
            pub fn with_fields(self, fields: impl IntoIterator<Item = Field>) -> Option<Op> {
                let mut fields = fields.into_iter();
                let op = match self {
                    $(Opcode::$variant => Op::$variant { $($field: FieldType::from_field(fields.next()?)?),* },)*
                };
                fields.next().is_none().then_some(op)
            }
        }

        impl Op {
            /// The op without its fields.
            pub const fn opcode(&self) -> Opcode {
                match self { $(Op::$variant { .. } => Opcode::$variant),* }
            }

            /// The fields, in the order of the table.
            pub fn fields(&self) -> SmallVec<[Field; 4]> {
                let mut out = SmallVec::new();
                match self { $(Op::$variant { $($field),* } => { $(out.push($field.get());)* })* }
                out
            }

            /// Calls `f` with each operand.
            pub fn each_value(&self, mut f: impl FnMut(Value)) {
                let _f: &mut dyn FnMut(Value) = &mut f;
                match self { $(Op::$variant { $($field),* } => { $($field.each_value(_f);)* })* }
            }

            /// Replaces each operand.
            pub fn map_values(&mut self, mut f: impl FnMut(Value) -> Value) {
                let _f: &mut dyn FnMut(Value) -> Value = &mut f;
                match self { $(Op::$variant { $($field),* } => { $($field.map_values(_f);)* })* }
            }
        }
    };
}

for_each_op!(define_ops);

const _: () = assert!(size_of::<Op>() <= 32);

impl Opcode {
    /// The op with this name.
    pub fn from_name(name: &str) -> Option<Opcode> {
        Opcode::ALL.iter().copied().find(|o| o.info().name == name)
    }
}

impl Op {
    /// The op's row in the table.
    pub const fn info(&self) -> &'static OpInfo {
        self.opcode().info()
    }

    /// The helper that it calls, if it calls one.
    pub const fn helper(&self) -> Option<Helper> {
        if let Op::CallHelper { helper, .. } = self { Some(*helper) } else { None }
    }

    /// What it does besides computing its result: the table's word, or for `call_helper` that of the table of helpers.
    pub const fn effects(&self) -> Effects {
        if let Some(helper) = self.helper() { helper.info().effects } else { self.info().effects }
    }

    /// What it yields.
    pub const fn result(&self) -> ResultKind {
        if let Some(helper) = self.helper() { helper.info().result } else { self.info().result }
    }

    /// Why it leaves the superblock, if it may.
    pub const fn exit_reason(&self) -> Option<ExitReason> {
        if let Op::Exit { reason } = self { Some(*reason) } else { self.effects().exits }
    }

    /// Its operands, with what is expected of each. A helper's arguments beyond those that it takes count as `Any`.
    pub fn operands(&self) -> SmallVec<[(Value, OperandKind); 4]> {
        let mut out = SmallVec::new();
        for (field, (_, kind)) in self.fields().into_iter().zip(self.info().fields) {
            let Some(kind) = kind.operand() else { continue };
            match (field, self.helper()) {
                (Field::Value(v), _) => out.push((v, kind)),
                (Field::Values(vs), None) => out.extend(vs.iter().map(|&v| (v, kind))),
                (Field::Values(vs), Some(helper)) => {
                    let info = helper.info();
                    let beyond = info.more.unwrap_or(OperandKind::Any);
                    let kinds = info.args.iter().copied().chain(std::iter::repeat(beyond));
                    out.extend(vs.iter().copied().zip(kinds));
                }
                (Field::Imm(_), _) => {}
            }
        }
        out
    }
}
