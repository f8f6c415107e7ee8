//! What is printed reads back as the same superblock, for every op.

use cranelift_entity::EntityRef;
use hotspur_ir::*;
use hotspur_reader::parse;
use proptest::prelude::{Strategy, any, proptest};

/// Raw numbers that an op is made of; they shrink well.
type Raw = (u16, [u64; 5]);

fn pick<T: Copy>(all: &[T], raw: u64) -> T {
    all[raw as usize % all.len()]
}

fn value(sb: &Superblock, raw: u64) -> Value {
    Value::new(raw as usize % sb.values.len())
}

fn slot(sb: &Superblock, raw: u64) -> Slot {
    let v = value(sb, raw >> 8);
    match raw % 5 {
        0 => Slot::Unchanged,
        1 => Slot::Null,
        2 => Slot::Owned(v),
        3 if !sb.virtuals.is_empty() => Slot::Virtual(VirtualId::new(raw as usize % sb.virtuals.len())),
        _ => Slot::Value(v),
    }
}

fn slots(sb: &Superblock, raw: u64) -> Vec<Slot> {
    (0..raw % 4).map(|i| slot(sb, raw.rotate_right(7 * i as u32 + 5))).collect()
}

fn field(sb: &Superblock, kind: FieldKind, raw: u64) -> Field {
    let number = Field::Imm(Imm::Number(raw as u32));
    Field::Imm(match kind {
        FieldKind::Obj | FieldKind::Own | FieldKind::I64 | FieldKind::F64 | FieldKind::Bool | FieldKind::Ptr => {
            return Field::Value(value(sb, raw));
        }
        FieldKind::Owns | FieldKind::Anys => return Field::Values((0..raw % 4).map(|i| value(sb, raw >> i)).collect()),
        FieldKind::Depth | FieldKind::Index | FieldKind::Offset | FieldKind::Version | FieldKind::Pc => return number,
        FieldKind::Int => Imm::Int(raw as i64),
        FieldKind::Float => Imm::Float(Float::from_bits(raw)),
        FieldKind::Truth => Imm::Truth(raw & 1 == 1),
        FieldKind::Object => Imm::Object(ObjRef::new(raw as usize % 100)),
        FieldKind::Code => Imm::Code(CodeRef::new(raw as usize % 100)),
        FieldKind::Executor => Imm::Executor(ExecutorRef::new(raw as usize % 100)),
        FieldKind::Virtual => Imm::Virtual(VirtualId::new(raw as usize % sb.virtuals.len())),
        FieldKind::Helper => Imm::Helper(pick(Helper::ALL, raw)),
        FieldKind::Cond => Imm::Cond(pick(&Cond::ALL, raw)),
        FieldKind::Moves => Imm::Moves(pick(&Moves::ALL, raw)),
        FieldKind::IntKind => Imm::IntKind(pick(&IntKind::ALL, raw)),
        FieldKind::FloatKind => Imm::FloatKind(pick(&FloatKind::ALL, raw)),
        FieldKind::Reason => Imm::Reason(pick(ExitReason::ALL, raw)),
    })
}

fn inst(sb: &mut Superblock, (opcode, raw): Raw) -> Inst {
    let opcode = pick(Opcode::ALL, opcode.into());
    let kinds = opcode.info().fields;
    let op = opcode.with_fields(kinds.iter().zip(raw).map(|(&(_, kind), raw)| field(sb, kind, raw))).expect("table");
    let result = op.result().ty().map(|ty| sb.values.push(ty));
    let snapshot = op.effects().needs_snapshot().then(|| {
        let frames = (0..1 + raw[3] % 3).map(|i| FrameState {
            code: CodeRef::new(i as usize),
            pc: raw[0] as u32,
            function: (i > 0).then(|| slot(sb, raw[1])),
            generator: (i > 1).then(|| slot(sb, raw[2])),
            locals: slots(sb, raw[2] >> i),
            stack: slots(sb, raw[3] >> i),
        });
        let snapshot =
            Snapshot { resume: pick(&Resume::ALL, raw[0]), frames: frames.collect(), instructions: raw[0] as u32 % 3 };
        sb.snapshots.push(snapshot)
    });
    Inst { op, result, snapshot }
}

/// A superblock with arbitrary ops: well-formed as text, not as a program.
fn superblock(prefix: Vec<Raw>, body: Option<Vec<Raw>>) -> Superblock {
    let mut sb = Superblock::new(CodeRef::new(0), 7);
    for ty in Type::ALL {
        let v = sb.values.push(ty);
        sb.params.push(v);
    }
    for (i, &kind) in VirtualKind::ALL.iter().enumerate() {
        let fields = slots(&sb, prefix.get(i).map_or(3, |r| r.1[0]));
        sb.virtuals.push(Virtual { kind, fields });
    }
    for raw in prefix {
        let inst = inst(&mut sb, raw);
        sb.prefix.push(inst);
    }
    if let Some(raws) = body {
        let mut body = LoopBody {
            params: vec![sb.values.push(Type::F64), sb.values.push(Type::Obj)],
            insts: vec![],
            instructions: 3,
        };
        body.insts.extend(raws.into_iter().map(|raw| inst(&mut sb, raw)));
        sb.body = Some(body);
    }
    sb
}

fn check(sb: &Superblock) {
    let text = sb.to_string();
    let read = parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(&read, sb, "\n{text}");
    let canonical = sb.canonical();
    assert_eq!(canonical.canonical(), canonical);
    assert_eq!(parse(&canonical.to_string()).expect("canonical text"), canonical);
}

fn raws(max: usize) -> impl Strategy<Value = Vec<Raw>> {
    proptest::collection::vec(any::<Raw>(), 0..max)
}

proptest! {
    #[test]
    fn random_superblocks(prefix in raws(40), body in proptest::option::of(raws(40))) {
        let sb = superblock(prefix, body);
        check(&sb);
        // The verifier may object, but must not panic.
        let _ = verify(&sb);
    }

    #[test]
    fn random_text(text in "[ -~\n]{0,200}") {
        let _ = parse(&text);
    }
}

#[test]
fn every_op() {
    let all = (0..Opcode::ALL.len() as u16).map(|i| (i, [5, 10, 0x1_2345, 0xfedc_ba98_7654_3210, 1])).collect();
    check(&superblock(all, None));
}

#[test]
fn every_op_has_a_name_of_its_own() {
    for &opcode in Opcode::ALL {
        assert_eq!(Opcode::from_name(opcode.info().name), Some(opcode));
        assert!(!opcode.info().doc.trim().is_empty());
    }
    for &helper in Helper::ALL {
        assert_eq!(Helper::from_name(helper.info().name), Some(helper));
    }
    for &reason in ExitReason::ALL {
        assert_eq!(ExitReason::from_name(reason.name()), Some(reason));
    }
}
