//! Elements of arrays: numbers in memory.

use crate::host::HostFn;
use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self as clif, InstBuilder, MemFlags, types};
use hotspur_ir::{FloatKind, IntKind, Value};

type Nothing = Option<clif::Value>;

/// An address, and what is to be added to it.
type Place = (clif::Value, i32);

impl Translator<'_> {
    pub(crate) fn guard_typecode(&mut self, array: Value, typecode: u32) -> Nothing {
        let array = self.v(array);
        let is = if let Some(layout) = self.env.layout {
            let descr = self.load(types::I64, array, layout.ob_descr);
            self.load(types::I8, descr, 0)
        } else {
            self.ask(HostFn::Typecode, &[array])
        };
        let same = self.b.ins().icmp_imm(IntCC::Equal, is, i64::from(typecode));
        self.guard(same);
        None
    }

    pub(crate) fn array_len(&mut self, array: Value) -> clif::Value {
        self.field(array, self.env.layout.map(|l| l.ob_size), HostFn::ArrayLen)
    }

    pub(crate) fn array_elements(&mut self, array: Value, offset: u32) -> clif::Value {
        let array = self.v(array);
        if self.env.layout.is_some() {
            return self.load(types::I64, array, offset as i32);
        }
        let offset = self.number(offset);
        self.ask(HostFn::ArrayElements, &[array, offset])
    }

    pub(crate) fn inner_elements(&mut self, object: Value, offset: u32) -> clif::Value {
        let object = self.v(object);
        if self.env.layout.is_some() {
            return self.b.ins().iadd_imm(object, i64::from(offset));
        }
        let offset = self.number(offset);
        self.ask(HostFn::InnerElements, &[object, offset])
    }

    /// Where an element is, given how wide it is. None if the host has to be asked.
    fn element(&mut self, elements: clif::Value, index: Value, width: usize) -> Option<Place> {
        self.env.layout?;
        Some(self.scaled(elements, index, width))
    }

    pub(crate) fn load_element_i64(&mut self, elements: Value, index: Value, kind: IntKind) -> clif::Value {
        let elements = self.v(elements);
        let Some((address, offset)) = self.element(elements, index, kind.width()) else {
            let (index, kind) = (self.v(index), self.number(kind as u32));
            return self.ask(HostFn::LoadElementI64, &[elements, index, kind]);
        };
        let (ins, flags) = (self.b.ins(), MemFlags::trusted());
        match kind {
            IntKind::I8 => ins.sload8(types::I64, flags, address, offset),
            IntKind::U8 => ins.uload8(types::I64, flags, address, offset),
            IntKind::I16 => ins.sload16(types::I64, flags, address, offset),
            IntKind::U16 => ins.uload16(types::I64, flags, address, offset),
            IntKind::I32 => ins.sload32(flags, address, offset),
            IntKind::U32 => ins.uload32(flags, address, offset),
            IntKind::I64 => ins.load(types::I64, flags, address, offset),
        }
    }

    pub(crate) fn load_element_f64(&mut self, elements: Value, index: Value, kind: FloatKind) -> clif::Value {
        let elements = self.v(elements);
        let Some((address, offset)) = self.element(elements, index, kind.width()) else {
            let (index, kind) = (self.v(index), self.number(kind as u32));
            return self.ask(HostFn::LoadElementF64, &[elements, index, kind]);
        };
        match kind {
            FloatKind::F32 => {
                let single = self.load(types::F32, address, offset);
                self.b.ins().fpromote(types::F64, single)
            }
            FloatKind::F64 => self.load(types::F64, address, offset),
        }
    }

    pub(crate) fn store_element_i64(
        &mut self,
        elements: Value,
        index: Value,
        kind: IntKind,
        content: Value,
    ) -> Nothing {
        let (elements, content) = (self.v(elements), self.v(content));
        let Some((address, offset)) = self.element(elements, index, kind.width()) else {
            let (index, kind) = (self.v(index), self.number(kind as u32));
            self.call(HostFn::StoreElementI64, &[elements, index, kind, content]);
            return None;
        };
        let (ins, flags) = (self.b.ins(), MemFlags::trusted());
        match kind.width() {
            1 => ins.istore8(flags, content, address, offset),
            2 => ins.istore16(flags, content, address, offset),
            4 => ins.istore32(flags, content, address, offset),
            _ => ins.store(flags, content, address, offset),
        };
        None
    }

    pub(crate) fn store_element_f64(
        &mut self,
        elements: Value,
        index: Value,
        kind: FloatKind,
        content: Value,
    ) -> Nothing {
        let (elements, content) = (self.v(elements), self.v(content));
        let Some((address, offset)) = self.element(elements, index, kind.width()) else {
            let (index, kind) = (self.v(index), self.number(kind as u32));
            self.call(HostFn::StoreElementF64, &[elements, index, kind, content]);
            return None;
        };
        let content = match kind {
            FloatKind::F32 => self.b.ins().fdemote(types::F32, content),
            FloatKind::F64 => content,
        };
        self.store(content, address, offset);
        None
    }
}
