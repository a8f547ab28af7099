import ClusterModel
import Testing

@testable import Journal

@Suite("Records of version 1")
struct RecordTests {
    /// One record of each type, with every optional field.
    static let oneOfEach: [JournalRecord] = {
        let journal = InMemoryJournal(run: SampleRun.id, plan: SampleRun.planID, clock: SampleRun.clock())
        var seen: Set<String> = []
        return SampleRun.events.compactMap { event in
            guard let record = try? journal.append(event) else { return nil }
            let isFull = record.fields["message"] != nil || event.type != "step.outcome"
            return isFull && seen.insert(event.type).inserted ? record : nil
        }
    }()

    @Test("the sample has all eleven types")
    func allTypes() {
        #expect(RecordTests.oneOfEach.count == 11)
    }

    @Test("a record that lacks a field is refused, whichever it is", arguments: oneOfEach)
    func missingField(record: JournalRecord) {
        for name in record.fields.keys where !["message", "v"].contains(name) {
            var fields = record.fields
            fields[name] = nil
            #expect(throws: MalformedRecord.self, "\(record.event.type) without \(name)") {
                try JournalRecord(fields, hash: record.hash)
            }
        }
    }

    @Test("a field of another type of JSON is refused, whichever it is", arguments: oneOfEach)
    func wrongType(record: JournalRecord) {
        for (name, value) in record.fields where !["output", "summary", "v"].contains(name) {
            if record.event.type == "note", name == "detail" { continue }
            let wrong: [JSONValue] = [.null, .bool(true), .integer(-1), .string(""), .array([.null]), .object([:])]
            for other in wrong where !sameKind(other, value) {
                var fields = record.fields
                fields[name] = other
                #expect(throws: MalformedRecord.self, "\(record.event.type).\(name) = \(other)") {
                    try JournalRecord(fields, hash: record.hash)
                }
            }
        }
    }

    private func sameKind(_ left: JSONValue, _ right: JSONValue) -> Bool {
        switch (left, right) {
        case (.string, .string), (.bool, .bool): true
        default: false
        }
    }

    @Test("a gate's kind is kept, and need not be there")
    func gateKind() throws {
        for kind in ["node.ready", nil] {
            let gate = StageGate(stage: "s", gate: kind, passed: true, waited: .seconds(1), detail: "d")
            let journal = InMemoryJournal(run: SampleRun.id, plan: SampleRun.planID, clock: SampleRun.clock())
            try journal.append(SampleRun.begin())
            let record = try journal.append(.stageGate(gate))
            #expect(try JournalRecord(record.fields, hash: record.hash).event == .stageGate(gate))
        }
    }

    @Test("fields that this release does not know are kept")
    func unknownField() throws {
        for record in RecordTests.oneOfEach {
            var fields = record.fields
            fields["later"] = .array([.integer(1)])
            let read = try JournalRecord(fields, hash: record.hash)
            #expect(read.event == record.event)
            #expect(read.fields["later"] == .array([.integer(1)]))
        }
    }

    @Test("a type that version 1 does not have is refused")
    func unknownType() throws {
        var fields = try #require(RecordTests.oneOfEach.first).fields
        fields["type"] = .string("run.paused")
        #expect(throws: MalformedRecord(reason: "type 'run.paused' is not one of version 1")) {
            try JournalRecord(fields, hash: SampleRun.planID)
        }
    }

    @Test("step ids are safe file names")
    func stepIDs() {
        for good in ["2.master1.etcd.snapshot", "a", "undo:1.m.x", "9_@+-Z", String(repeating: "a", count: 200)] {
            #expect(StepID(good)?.text == good)
        }
        for bad in ["", ".a", "-a", "a/b", "a..b", "a b", "a\n", "é", "a\u{0}", String(repeating: "a", count: 201)] {
            #expect(StepID(bad) == nil)
        }
    }

    @Test("a hash is 'sha256:' and 64 lower-case digits")
    func hashes() {
        #expect(
            ContentHash(of: Array("abc".utf8)).text
                == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        )
        let text = SampleRun.planID.text
        #expect(ContentHash(text) == SampleRun.planID)
        for bad in [
            String(text.dropLast()), text + "0", text.uppercased(), "sha256:" + String(repeating: "g", count: 64),
        ] {
            #expect(ContentHash(bad) == nil)
        }
    }
}
