//! Reference counts, and making objects.

use crate::compile::Refusal;
use crate::host::{HostFn, MAX_VALUES};
use crate::translate::{Translator, too_large};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self as clif, InstBuilder, types};
use cranelift_entity::EntityRef;
use hotspur_ir::{Inst, ObjRef, Op, OperandKind, Slot, Type, Value, VirtualId, VirtualKind};
use std::collections::BTreeMap;

type Nothing = Option<clif::Value>;

impl Translator<'_> {
    /// Takes a reference: adds one to the count unless that would be more than all ones, as it is for what is immortal.
    pub(crate) fn incref(&mut self, value: clif::Value) -> Nothing {
        let Some(layout) = self.env.layout else {
            self.call(HostFn::Incref, &[value]);
            return None;
        };
        let count = self.load(types::I32, value, layout.ob_refcnt);
        let count = self.b.ins().iadd_imm(count, 1);
        let (counted, next) = (self.b.create_block(), self.b.create_block());
        self.branch(count, counted, next);
        self.b.switch_to_block(counted);
        self.store(count, value, layout.ob_refcnt);
        self.b.ins().jump(next, &[]);
        self.b.switch_to_block(next);
        None
    }

    /// Takes some references at once. What has so many that it counts as immortal stays as it is.
    pub(crate) fn take_references(&mut self, value: clif::Value, n: u32) {
        let Some(layout) = self.env.layout.filter(|_| n > 1) else {
            (0..n).for_each(|_| _ = self.incref(value));
            return;
        };
        let count = self.load(types::I32, value, layout.ob_refcnt);
        let (counted, next) = (self.b.create_block(), self.b.create_block());
        let immortal = self.b.ins().icmp_imm(IntCC::SignedLessThan, count, 0);
        self.branch(immortal, next, counted);
        self.b.switch_to_block(counted);
        let count = self.b.ins().iadd_imm(count, i64::from(n));
        self.store(count, value, layout.ob_refcnt);
        self.b.ins().jump(next, &[]);
        self.b.switch_to_block(next);
    }

    /// Drops a reference that is not the last one.
    pub(crate) fn drop_shared(&mut self, value: clif::Value) {
        self.drop_reference(value, |_| Ok(())).expect("nothing is written that could be refused");
    }

    /// Drops a reference; the answer of what `f` writes is executed if it was the last one.
    pub(crate) fn drop_reference(
        &mut self,
        value: clif::Value,
        f: impl FnOnce(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let Some(layout) = self.env.layout else {
            let last = self.ask(HostFn::Decref, &[value]);
            return self.seldom(last, f);
        };
        let count = self.load(types::I32, value, layout.ob_refcnt);
        let (counted, next) = (self.b.create_block(), self.b.create_block());
        let immortal = self.b.ins().icmp_imm(IntCC::SignedLessThan, count, 0);
        self.branch(immortal, next, counted);
        self.b.switch_to_block(counted);
        let count = self.b.ins().iadd_imm(count, -1);
        self.store(count, value, layout.ob_refcnt);
        let last = self.b.ins().icmp_imm(IntCC::Equal, count, 0);
        self.seldom(last, f)?;
        self.b.ins().jump(next, &[]);
        self.b.switch_to_block(next);
        Ok(())
    }

    /// Drops a reference to an object. Only if it was the last is the snapshot published, and only then can validity
    /// have changed: `check` is a check of validity that follows, which is left out otherwise.
    pub(crate) fn decref(&mut self, inst: &Inst, value: Value, check: Option<&Inst>) -> Result<(), Refusal> {
        let value = self.v(value);
        let free = |t: &mut Self| {
            let snapshot = t.store_live(inst)?;
            let undisturbed = t.ask(HostFn::DeallocPublished, &[snapshot, value]);
            if let Some(check) = check {
                t.exits.next(check);
                t.guard(undisturbed);
            }
            Ok(())
        };
        if let Op::Xdecref { .. } = inst.op {
            self.if_set(value, |t| t.drop_reference(value, free))
        } else {
            self.drop_reference(value, free)
        }
    }

    /// What is done unless the object is null.
    pub(crate) fn unless_null(
        &mut self,
        value: Value,
        f: impl FnOnce(&mut Self) -> Result<Nothing, Refusal>,
    ) -> Result<Nothing, Refusal> {
        let value = self.v(value);
        self.if_set(value, |t| f(t).map(|_| ()))?;
        Ok(None)
    }

    pub(crate) fn if_set(
        &mut self,
        value: clif::Value,
        f: impl FnOnce(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let (there, next) = (self.b.create_block(), self.b.create_block());
        self.branch(value, there, next);
        self.b.switch_to_block(there);
        f(self)?;
        self.b.ins().jump(next, &[]);
        self.b.switch_to_block(next);
        Ok(())
    }

    pub(crate) fn decref_no_dealloc(&mut self, value: Value) -> Result<Nothing, Refusal> {
        let value = self.v(value);
        if self.env.layout.is_none() {
            self.call(HostFn::DecrefNoDealloc, &[value]);
            return Ok(None);
        }
        self.drop_reference(value, |t| {
            t.call(HostFn::DeallocSimple, &[value]);
            Ok(())
        })?;
        Ok(None)
    }

    /// An object of a kind.
    pub(crate) fn build(&mut self, kind: VirtualKind, fields: &[Value]) -> Result<clif::Value, Refusal> {
        let fields: Vec<clif::Value> = fields.iter().map(|&v| self.v(v)).collect();
        self.build_from(kind, &fields)
    }

    fn build_from(&mut self, kind: VirtualKind, fields: &[clif::Value]) -> Result<clif::Value, Refusal> {
        if fields.len() > MAX_VALUES {
            return Err(too_large(format!("{} fields", fields.len())));
        }
        for (i, &field) in fields.iter().enumerate() {
            self.store_value(field, i);
        }
        let (kind, count) = (self.number(kind as u32), self.number(fields.len() as u32));
        Ok(self.ask(HostFn::Build, &[kind, count]))
    }

    pub(crate) fn new_instance(&mut self, class: ObjRef) -> clif::Value {
        let class = self.object(class);
        self.ask(HostFn::NewInstance, &[class])
    }

    /// Builds a virtual object and those within it, each once.
    pub(crate) fn materialize(&mut self, id: VirtualId) -> Result<clif::Value, Refusal> {
        let mut built = BTreeMap::new();
        self.materialize_within(id, &mut built)
    }

    /// The object; the reference is whoever's asked for it first.
    pub(crate) fn materialize_within(
        &mut self,
        id: VirtualId,
        built: &mut BTreeMap<usize, clif::Value>,
    ) -> Result<clif::Value, Refusal> {
        if let Some(&object) = built.get(&id.index()) {
            self.incref(object);
            return Ok(object);
        }
        let sb = self.sb;
        let description = &sb.virtuals[id];
        let (kinds, _) = description.kind.fields();
        let mut fields = Vec::new();
        for (i, &field) in description.fields.iter().enumerate() {
            let is_number = matches!(kinds.get(i), Some(OperandKind::Unboxed(_)));
            fields.push(match field {
                Slot::Unchanged | Slot::Null => self.word(0),
                Slot::Value(v) if is_number => self.v(v),
                Slot::Value(v) => self.boxed(v),
                Slot::Owned(v) => self.v(v),
                Slot::Virtual(inner) => self.materialize_within(inner, built)?,
            });
        }
        let object = match description.kind {
            VirtualKind::Int => self.box_i64(fields[0]),
            VirtualKind::Float => self.box_f64(fields[0]),
            kind => self.build_from(kind, &fields)?,
        };
        built.insert(id.index(), object);
        Ok(object)
    }

    /// The box of an unboxed value, or the object, which may be null; with a new reference.
    pub(crate) fn boxed(&mut self, v: Value) -> clif::Value {
        let value = self.v(v);
        match self.sb.values[v] {
            Type::Obj => {
                let (there, next) = (self.b.create_block(), self.b.create_block());
                self.branch(value, there, next);
                self.b.switch_to_block(there);
                self.incref(value);
                self.b.ins().jump(next, &[]);
                self.b.switch_to_block(next);
                value
            }
            Type::I64 => self.box_i64(value),
            Type::F64 => self.box_f64(value),
            Type::Bool => {
                let object = self.box_bool(value);
                self.incref(object);
                object
            }
            Type::Ptr => unreachable!("the verifier lets no address into a slot"),
        }
    }
}
