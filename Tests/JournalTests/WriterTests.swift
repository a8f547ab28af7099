import ClusterModel
import FoundationEssentials
import SystemPackage
import Testing

@testable import Journal

@Suite("A journal on disk")
struct WriterTests {
    let temporary: TemporaryFolder
    let folder: RunFolder

    init() throws {
        temporary = try TemporaryFolder()
        folder = try SampleRun.makeFolder(in: temporary)
    }

    func bytes(_ path: FilePath) throws -> [UInt8] { try #require(try readFile(path, limit: 1 << 24)) }

    func mode(_ path: FilePath) throws -> UInt32 { try Stat(path, followTargetSymlink: false).permissions.rawValue }

    func reopen(_ purpose: RunResumed.Purpose = .resume) throws -> (writer: JournalWriter, recorded: RecordedRun) {
        try JournalWriter.reopen(folder, purpose: purpose, by: SampleRun.person, clock: SampleRun.clock())
    }

    /// A run with an intent open, whose process is gone.
    func crashedRun() throws {
        let writer = try SampleRun.makeWriter(in: folder)
        for event in [SampleRun.intent("1.a"), SampleRun.outcome("1.a"), SampleRun.intent("2.b")] {
            try writer.append(event)
        }
    }

    @Test("a run leaves plan, journal and head behind, with their modes, and verifies")
    func wholeRun() throws {
        var writer = try SampleRun.makeWriter(in: folder)
        for event in SampleRun.events.dropFirst() {
            if case .runResumed(let resumed) = event {
                writer = try reopen(resumed.purpose).writer
            } else {
                try writer.append(event)
            }
        }
        let recorded = try JournalReader.verify(folder)
        #expect(recorded.records.map(\.event.type) == SampleRun.events.map(\.type))
        #expect(recorded.state == writer.state && recorded.head == writer.head && recorded.torn == nil)
        #expect(recorded.plan == SampleRun.plan && writer.headFailure == nil)
        #expect(try mode(folder.plan) == 0o400 && mode(folder.journal) == 0o600 && mode(folder.head) == 0o600)
        #expect(try mode(folder.path) == 0o700 && mode(folder.outputs) == 0o700)
        let head = try JournalHead(try bytes(folder.head))
        #expect(head.number == recorded.records.count && head.hash == recorded.head && head.run == SampleRun.id)
        #expect(throws: JournalError.ended(SampleRun.id, .done)) { try reopen() }
        #expect(throws: JournalError.self) { try writer.append(.note(Note(kind: "late"))) }
    }

    @Test("intent and outcome are each durable before the next begins; what that costs is printed")
    func cost() throws {
        let writer = try SampleRun.makeWriter(in: folder)
        let clock = ContinuousClock()
        let times = try (0..<200).map { number in
            try clock.measure {
                try writer.append(SampleRun.intent("s\(number)"))
                try writer.append(SampleRun.outcome("s\(number)"))
            }
        }.sorted()
        #expect(try JournalReader.verify(folder).records.count == 401)
        print("intent and outcome: median \(times[100]), 99 of 100 within \(times[197])")
    }

    @Test("room for every intent and outcome is reserved at the start, and given back at the end")
    func reserve() throws {
        let writer = try SampleRun.makeWriter(in: folder)
        let during = try Stat(folder.journal, followTargetSymlink: false)
        #expect(during.sizeAllocated >= 4096 * (2 * 14 + 64))
        #expect(during.size == Int64(try bytes(folder.journal).count))
        try writer.append(SampleRun.end(.held, .stepFailed))
        #expect(try Stat(folder.journal, followTargetSymlink: false).sizeAllocated <= 8192)
        let (resumed, _) = try reopen()
        #expect(try Stat(folder.journal, followTargetSymlink: false).sizeAllocated >= 4096 * (2 * 14 + 64))
        #expect(resumed.state.status == .open)
    }

    @Test("what cannot follow, or is too large, is refused with nothing written, and the journal goes on")
    func refusedLive() throws {
        let writer = try SampleRun.makeWriter(in: folder)
        let before = try bytes(folder.journal)
        let illegal = #expect(throws: JournalError.self) { try writer.append(SampleRun.outcome("1.a")) }
        #expect(illegal?.code == .fault)
        let large = #expect(throws: JournalError.self) {
            try writer.append(.note(Note(kind: "x", detail: .string(String(repeating: "y", count: 33_000)))))
        }
        #expect(large?.code == .fault && large?.message.event.contains("at most 32768") == true)
        #expect(try bytes(folder.journal) == before)
        try writer.append(SampleRun.intent("1.a"))
        // The longest record that fits is one line of exactly 32 KiB.
        let room =
            32768
            - JournalRecord.sealed(
                .note(Note(kind: "x", detail: .string(""))),
                run: SampleRun.id,
                number: 3,
                time: UTCMoment(seconds: 0),
                uptime: .milliseconds(418_000),
                boot: SampleRun.boot,
                after: SampleRun.planID
            ).line.count
        try writer.append(.note(Note(kind: "x", detail: .string(String(repeating: "y", count: room)))))
        #expect(try JournalReader.verify(folder).records.count == 3)
    }

    @Test("a run is resumed where it was, with what was started now unknown")
    func resume() throws {
        try crashedRun()
        let (writer, recorded) = try reopen()
        #expect(recorded.state.status == .open && recorded.state[SampleRun.step("2.b")]?.phase == .started)
        #expect(writer.state[SampleRun.step("2.b")]?.phase == .unknown)
        try writer.append(SampleRun.outcome("2.b", 1, .ok))
        try writer.append(SampleRun.end(.done, .done))
        let verified = try JournalReader.verify(folder)
        #expect(verified.state == writer.state && verified.state.sessions == 2 && verified.records.count == 7)
    }

    @Test("a torn end is saved, cut and told of, wherever the write was interrupted")
    func tornEnd() throws {
        try crashedRun()
        let whole = try bytes(folder.journal)
        let good = try #require(whole.dropLast().lastIndex(of: newline)) + 1
        for length in [good + 1, good + 46, good + 200, whole.count - 1] {
            let temporary = try TemporaryFolder()
            let copy = RunFolder(path: temporary.path.appending("run"), run: folder.run)
            try FileManager.default.copyItem(atPath: folder.path.string, toPath: copy.path.string)
            let file = try openFile(copy.journal, .readWrite)
            try file.cut(to: Int64(length))
            try file.close()
            let seen = try JournalReader.verify(copy)
            #expect(seen.torn?.bytes == length - good && seen.records.count == 3)
            #expect(try bytes(copy.journal).count == length)

            let (writer, recorded) = try JournalWriter.reopen(
                copy,
                purpose: .resume,
                by: SampleRun.person,
                clock: SampleRun.clock()
            )
            let torn = Array(whole[good..<length])
            let cut = JournalCut(file: "journal.torn-1", bytes: torn.count, sha256: ContentHash(of: torn))
            #expect(recorded.state.lastNumber == 3 && writer.state.cuts == [cut])
            #expect(try bytes(copy.path.appending("journal.torn-1")) == torn)
            #expect(try JournalReader.verify(copy).records.count == 4)
        }
    }

    @Test("a repair that was itself interrupted is simply done again, and no cut is forgotten")
    func compoundCrash() throws {
        try crashedRun()
        let whole = try bytes(folder.journal)
        let torn = Array("{\"boot\":\"6f".utf8)
        // Killed after the end was saved, before it was cut:
        try Data(whole + torn).write(to: URL(fileURLWithPath: folder.journal.string))
        try publish(torn, as: "journal.torn-1", in: folder.path, mode: .privateFile)
        _ = try reopen()
        var recorded = try JournalReader.verify(folder)
        #expect(recorded.state.cuts.map(\.file) == ["journal.torn-1"])
        // Killed again, twice: with the same bytes half written, and then after the cut, before it was told of.
        let resumed = try bytes(folder.journal)
        try Data(resumed + torn).write(to: URL(fileURLWithPath: folder.journal.string))
        try publish(torn, as: "journal.torn-2", in: folder.path, mode: .privateFile)
        try Data(resumed).write(to: URL(fileURLWithPath: folder.journal.string))
        _ = try reopen()
        recorded = try JournalReader.verify(folder)
        #expect(recorded.state.cuts.map(\.file) == ["journal.torn-1", "journal.torn-2"])
        #expect(recorded.state.cuts.allSatisfy { $0.sha256 == ContentHash(of: torn) })
        #expect(recorded.state.sessions == 3)
    }

    @Test("a journal that is being written is not repaired by another process")
    func writerHoldsJournal() throws {
        let writer = try SampleRun.makeWriter(in: folder)
        let error = #expect(throws: JournalError.self) { try reopen() }
        #expect(error?.code == .locked)
        try writer.append(SampleRun.intent("1.a"))
    }

    @Test("a damaged journal is not used and not changed")
    func damaged() throws {
        try crashedRun()
        var changed = try bytes(folder.journal)
        changed[500] ^= 4
        try Data(changed).write(to: URL(fileURLWithPath: folder.journal.string))
        let error = #expect(throws: JournalError.self) { try reopen() }
        #expect(error?.code == .integrity)
        #expect(error?.message.event == "record 1 of 4 does not match its hash; journal not used")
        #expect(try bytes(folder.journal) == changed)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path.string).sorted()
        #expect(names == ["journal.jsonl", "out", "plan.json"])
    }

    @Test("a plan that was changed, or is missing, is found whichever byte it is")
    func changedPlan() throws {
        try crashedRun()
        for position in SampleRun.plan.indices {
            var changed = SampleRun.plan
            changed[position] ^= 1
            try publish(changed, as: "plan.json", in: folder.path, mode: .readOnlyFile)
            #expect(throws: JournalError.self) { try JournalReader.verify(folder) }
        }
        try removeFile(folder.plan)
        let error = #expect(throws: JournalError.self) { try JournalReader.verify(folder) }
        #expect(error?.code == .integrity && error?.message.event == "the plan of this run is missing")
    }

    @Test("a journal cut off at a record's end, or rewritten, is found by head.json and by other witnesses")
    func witnesses() throws {
        let writer = try SampleRun.makeWriter(in: folder)
        for event in [SampleRun.intent("1.a"), SampleRun.outcome("1.a"), SampleRun.end(.held, .refused)] {
            try writer.append(event)
        }
        let head = writer.head
        let whole = try bytes(folder.journal)
        _ = try JournalReader.verify(folder, witnesses: [head])
        let cut = whole[...(try #require(whole.dropLast().lastIndex(of: newline)))]
        try Data(cut).write(to: URL(fileURLWithPath: folder.journal.string))
        var error = #expect(throws: JournalError.self) { try JournalReader.verify(folder) }
        #expect(error?.message.event == "head.json knows record 4, but the journal ends with 3: its end was cut off")
        try Data().write(to: URL(fileURLWithPath: folder.journal.string))
        #expect(throws: JournalError.self) { try JournalReader.verify(folder) }
        // The same events at another time: a whole journal, and another one.
        let lines = try SampleRun.lines([
            SampleRun.begin(), .note(Note(kind: "x")), SampleRun.intent("1.a"), SampleRun.outcome("1.a"),
        ])
        try Data(lines.joined()).write(to: URL(fileURLWithPath: folder.journal.string))
        error = #expect(throws: JournalError.self) { try JournalReader.verify(folder) }
        #expect(error?.message.event == "record 4 is not the one head.json knows: the journal was rewritten")
        try removeFile(folder.head)
        _ = try JournalReader.verify(folder)
        error = #expect(throws: JournalError.self) { try JournalReader.verify(folder, witnesses: [head]) }
        #expect(error?.code == .integrity)
    }

    @Test("a journal that was removed, replaced, renamed or written to meanwhile stops the run before the next intent")
    func straying() throws {
        let path = folder.journal
        let changes: [(String, () throws -> Void)] = [
            ("removed", { try removeFile(path) }),
            ("renamed", { try renameFile(path, to: folder.path.appending("elsewhere")) }),
            ("replaced", { try publish(bytes(path), as: "journal.jsonl", in: folder.path, mode: .privateFile) }),
            (
                "longer",
                {
                    let file = try openFile(path, .writeOnly, .append)
                    try file.writeWhole([0x20])
                    try file.close()
                }
            ),
            ("folder renamed", { try renameFile(folder.path, to: folder.path.removingLastComponent().appending("x")) }),
        ]
        for (name, change) in changes {
            try? FileManager.default.removeItem(atPath: folder.path.string)
            try makeFolder(folder.path, mode: .folder)
            let writer = try SampleRun.makeWriter(in: folder)
            try writer.append(SampleRun.intent("1.a"))
            try change()
            let error = #expect(throws: JournalError.self, "\(name)") { try writer.append(SampleRun.intent("2.b")) }
            #expect(error?.code == .integrity && writer.state.lastNumber == 2, "\(name)")
            #expect(throws: try #require(error), "\(name)") { try writer.append(SampleRun.outcome("1.a")) }
        }
    }

    @Test("a wall clock that jumps is noted, and changes nothing else")
    func clockJump() throws {
        let time = ManualTime()
        let writer = try SampleRun.makeWriter(in: folder, time: time)
        try writer.append(SampleRun.intent("1.a"))
        time.setWall(by: 10 * 365 * 86_400_000)
        try writer.append(SampleRun.outcome("1.a"))
        time.setWall(by: -3600_000)
        try writer.append(SampleRun.intent("2.b"))
        let recorded = try JournalReader.verify(folder)
        let deltas = recorded.records.compactMap { record -> Int64? in
            guard case .note(let note) = record.event, note.kind == "clock.jump" else { return nil }
            return note.detail["deltaMs"]?.integerValue
        }
        #expect(deltas == [315_360_000_000, -3_600_000])
        #expect(recorded.records.map(\.number) == Array(1...6) && recorded.state == writer.state)
        #expect(recorded.records.map(\.uptime) == recorded.records.map(\.uptime).sorted())
    }

    @Test("a run folder without a record is not begun, and cannot be resumed")
    func neverBegun() throws {
        #expect(try JournalReader.verify(folder).state.status == .notBegun)
        #expect(throws: JournalError.self) { try reopen() }
        let file = try openFile(folder.journal, .writeOnly, .create, permissions: .privateFile)
        try file.close()
        let error = #expect(throws: JournalError.self) { try reopen() }
        #expect(error?.code == .integrity)
    }

    @Test("a journal file that others may touch, or under two names, is refused")
    func unsafeFile() throws {
        try crashedRun()
        let link = temporary.path.appending("link")
        try FileManager.default.linkItem(atPath: folder.journal.string, toPath: link.string)
        #expect(#expect(throws: JournalError.self) { try reopen() }?.code == .security)
        try removeFile(link)
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: folder.journal.string)
        #expect(#expect(throws: JournalError.self) { try reopen() }?.code == .security)
        try removeFile(folder.journal)
        try FileManager.default.createSymbolicLink(atPath: folder.journal.string, withDestinationPath: "/etc/passwd")
        #expect(#expect(throws: JournalError.self) { try reopen() }?.code == .security)
        #expect(#expect(throws: JournalError.self) { try JournalReader.verify(folder) }?.code == .security)
    }

    @Test("calls from many tasks are all recorded, in one order")
    func concurrent() async throws {
        let writer = try SampleRun.makeWriter(in: folder)
        await withTaskGroup { group in
            for task in 0..<8 {
                group.addTask {
                    for index in 0..<5 {
                        let step = "\(task).\(index)"
                        _ = try? writer.append(SampleRun.intent(step))
                        _ = try? writer.append(SampleRun.outcome(step))
                    }
                }
            }
        }
        let recorded = try JournalReader.verify(folder)
        #expect(recorded.records.count == 81 && recorded.state == writer.state)
        #expect(recorded.state.counts == [.ok: 40])
    }
}
