//! What single ops become, given what is known of their operands.

use super::{Fate, Fold, opposite};
use crate::knowledge::{Const, Says};
use crate::rules::Rule;
use Fate::{Becomes, Goes, Is, Stays};
use hotspur_ir::{Builtin, Cond, Op, Value};

impl Fold<'_> {
    /// What becomes of an op, whose operands have been replaced. Each of these knows some ops; what none of them knows stays, which is always
    /// right.
    pub(super) fn simplify(&mut self, op: &Op) -> Fate {
        for group in [Self::guard, Self::unbox, Self::truth, Self::load, Self::reference, Self::arithmetic] {
            let fate = group(self, op);
            if !matches!(fate, Stays) {
                return fate;
            }
        }
        Stays
    }

    fn class(&self, v: Value) -> Option<Builtin> {
        self.known.get(v).class
    }

    /// Whether the answer to a question is known, the value being an object or null.
    fn same(&self, a: Value, b: Value) -> Option<bool> {
        let (ka, kb) = (self.known.get(a), self.known.get(b));
        let null_and_not = self.known.is_null(a) && kb.not_null || self.known.is_null(b) && ka.not_null;
        if a == b || ka.constant.is_some() && ka.constant == kb.constant {
            Some(true)
        } else if null_and_not || (ka.not_null && kb.not_null && !self.known.may_alias(a, b)) {
            Some(false)
        } else {
            None
        }
    }

    fn guard(&mut self, op: &Op) -> Fate {
        let goes_if = |holds: bool| if holds { Goes } else { Stays };
        if let Op::GuardType { value, class } = *op {
            let builtin = self.facts.builtin(class);
            let constant = self.known.object(value).and_then(|o| self.facts.type_of(o));
            goes_if(builtin.is_some() && builtin == self.class(value) || constant == Some(class))
        } else if let Op::GuardTypeOrNull { value, class } = *op {
            if self.known.is_null(value) {
                return Goes;
            }
            match self.guard(&Op::GuardType { value, class }) {
                Stays if self.known.get(value).not_null => Becomes(Op::GuardType { value, class }),
                fate => fate,
            }
        } else if let Op::GuardSharedOrNull { value } = *op {
            if self.known.is_null(value) {
                Goes
            } else if self.known.get(value).not_null {
                Becomes(Op::GuardShared { value })
            } else {
                Stays
            }
        } else if let Op::GuardIs { value, object } = *op {
            goes_if(self.known.object(value) == Some(object))
        } else if let Op::GuardIsNot { value, object } = *op {
            let other = crate::knowledge::class_of(object, self.facts);
            let differ = matches!((self.class(value), other), (Some(a), Some(b)) if a != b);
            goes_if(differ || self.known.is_null(value))
        } else if let Op::GuardNull { value } = *op {
            goes_if(self.known.is_null(value))
        } else if let Op::GuardNotNull { value } = *op {
            goes_if(self.known.get(value).not_null)
        } else if let Op::GuardCompact { value } = *op {
            let known = self.known.get(value);
            let constant = self.known.object(value).and_then(|o| self.facts.as_i64(o));
            goes_if(known.compact || known.unboxed.is_some() || constant.is_some_and(|n| n.unsigned_abs() < 1 << 30))
        } else if let Op::GuardWide { value } = *op {
            let known = self.known.get(value);
            let constant = self.known.object(value).and_then(|o| self.facts.as_i64(o));
            goes_if(known.compact || known.unboxed.is_some() || constant.is_some_and(|n| n.unsigned_abs() < 1 << 60))
        } else if let Op::GuardTrue { value } | Op::GuardFalse { value } = *op {
            self.guard_truth(value, matches!(op, Op::GuardTrue { .. }))
        } else if let Op::GuardCmpI64 { cond, a, b } = *op {
            let known = self.known.i64(a).zip(self.known.i64(b));
            goes_if(known.map_or(a == b && cond.holds(0, 0), |(a, b)| cond.holds(a, b)))
        } else if let Op::GuardCmpF64 { cond, a, b } = *op {
            goes_if(self.known.f64(a).zip(self.known.f64(b)).is_some_and(|(a, b)| cond.holds(a, b)))
        } else if let Op::GuardIndex { index, length } = *op {
            let known = self.known.i64(index).zip(self.known.i64(length));
            goes_if(known.is_some_and(|(index, length)| (0..length).contains(&index)))
        } else if let Op::CheckValidity {} = op {
            goes_if(self.valid)
        } else {
            Stays
        }
    }

    /// A guard that a truth value is `wanted`.
    fn guard_truth(&mut self, value: Value, wanted: bool) -> Fate {
        if self.known.truth(value) == Some(wanted) {
            return Goes;
        }
        match self.known.get(value).says {
            Some(Says::Not(a)) => {
                Becomes(if wanted { Op::GuardFalse { value: a } } else { Op::GuardTrue { value: a } })
            }
            Some(Says::I64(cond, a, b)) => {
                Becomes(Op::GuardCmpI64 { cond: if wanted { cond } else { opposite(cond) }, a, b })
            }
            // Not less is not the same as greater or equal, if an operand is not a number.
            Some(Says::F64(cond, a, b)) if wanted || matches!(cond, Cond::Eq | Cond::Ne) => {
                Becomes(Op::GuardCmpF64 { cond: if wanted { cond } else { opposite(cond) }, a, b })
            }
            Some(Says::Null(value)) => {
                Becomes(if wanted { Op::GuardNull { value } } else { Op::GuardNotNull { value } })
            }
            Some(Says::Same(a, b)) => {
                let (value, object) = match (self.known.object(a), self.known.object(b)) {
                    (_, Some(object)) => (a, object),
                    (Some(object), None) => (b, object),
                    (None, None) => return Stays,
                };
                Becomes(if wanted { Op::GuardIs { value, object } } else { Op::GuardIsNot { value, object } })
            }
            Some(Says::F64(..)) | None => Stays,
        }
    }

    fn unbox(&mut self, op: &Op) -> Fate {
        let (Op::UnboxI64 { value } | Op::UnboxWide { value } | Op::UnboxF64 { value } | Op::UnboxBool { value }) = *op
        else {
            return Stays;
        };
        if let Some(v) = self.known.get(value).unboxed
            && Some(self.sb.values[v]) == op.result().ty()
        {
            return Is(v);
        }
        let Some(object) = self.known.object(value) else { return Stays };
        let constant = if let Op::UnboxI64 { .. } | Op::UnboxWide { .. } = op {
            self.facts.as_i64(object).map(|number| Op::ConstI64 { number })
        } else if let Op::UnboxF64 { .. } = op {
            self.facts.as_f64(object).map(|x| Op::ConstF64 { number: x.into() })
        } else {
            self.facts.as_bool(object).map(|truth| Op::ConstBool { truth })
        };
        constant.map_or(Stays, Becomes)
    }

    fn truth(&mut self, op: &Op) -> Fate {
        let known = if let Op::SameObj { a, b } = *op {
            self.same(a, b)
        } else if let Op::IsNull { a } = *op {
            if self.known.get(a).not_null { Some(false) } else { self.known.is_null(a).then_some(true) }
        } else if let Op::NotBool { a } = *op {
            if let Some(Says::Not(inner)) = self.known.get(a).says {
                return Is(inner);
            }
            if let Some(Says::I64(cond, x, y)) = self.known.get(a).says {
                Rule::NotCmp.applied();
                return Becomes(Op::CmpI64 { cond: opposite(cond), a: x, b: y });
            }
            None
        } else if let Op::IsIntegerF64 { a } = *op {
            self.known.get(a).whole.then_some(true)
        } else {
            None
        };
        known.map_or(Stays, |truth| Becomes(Op::ConstBool { truth }))
    }

    /// Loads of what cannot change.
    fn load(&mut self, op: &Op) -> Fate {
        if let Op::TypeOf { value } = *op {
            let class = self.known.object(value).and_then(|o| self.facts.type_of(o));
            class.map_or(Stays, |object| Becomes(Op::ConstObj { object }))
        } else if let Op::TupleLen { tuple } = *op {
            let constant = self.known.object(tuple).and_then(|o| self.facts.tuple_items(o)).map(|items| items.len());
            let len = self.known.get(tuple).items.as_ref().map(|items| items.len()).or(constant);
            len.map_or(Stays, |len| Becomes(Op::ConstI64 { number: len as i64 }))
        } else if let Op::LoadTupleItem { tuple, index } = *op {
            let Some(index) = self.known.i64(index).and_then(|i| usize::try_from(i).ok()) else { return Stays };
            let item = self.known.get(tuple).items.as_ref().and_then(|items| items.get(index).copied());
            let constant = self.known.object(tuple).and_then(|o| self.facts.tuple_items(o));
            match (item, constant.as_ref().and_then(|items| items.get(index))) {
                (Some(v), _) => Is(self.stands_for.resolve(v)),
                (None, Some(&object)) => Becomes(Op::ConstObj { object }),
                (None, None) => Stays,
            }
        } else {
            Stays
        }
    }

    fn reference(&mut self, op: &Op) -> Fate {
        let (Op::Incref { value }
        | Op::Decref { value }
        | Op::Xdecref { value }
        | Op::DecrefNoDealloc { value }
        | Op::XdecrefNoDealloc { value }) = *op
        else {
            return Stays;
        };
        let known = self.known.get(value);
        let immortal = known.class.is_some_and(Builtin::is_immortal)
            || matches!(known.constant, Some(Const::Obj(o)) if self.facts.is_immortal(o));
        if immortal {
            return Goes;
        }
        let is_quiet = known.class.is_some_and(Builtin::dies_quietly);
        if let Op::Xdecref { value } = *op {
            if self.known.is_null(value) {
                return Goes;
            }
            if known.not_null {
                return Becomes(if is_quiet { Op::DecrefNoDealloc { value } } else { Op::Decref { value } });
            }
        }
        if let Op::XdecrefNoDealloc { value } = *op {
            if self.known.is_null(value) {
                return Goes;
            }
            return if known.not_null { Becomes(Op::DecrefNoDealloc { value }) } else { Stays };
        }
        if let (Op::Decref { value }, true) = (op.clone(), is_quiet) {
            Becomes(Op::DecrefNoDealloc { value })
        } else {
            Stays
        }
    }
}
