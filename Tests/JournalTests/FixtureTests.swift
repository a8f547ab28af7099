import ClusterModel
import SystemPackage
import Testing

@testable import Journal

@Suite("The format, as it is promised for ever")
struct FixtureTests {
    static let tests = FilePath("\(#filePath)").removingLastComponent()

    func folder(_ name: String) -> RunFolder {
        RunFolder(path: FixtureTests.tests.appending("Fixtures/v1/\(name)"), run: SampleRun.id)
    }

    func bytes(_ path: FilePath) throws -> [UInt8] { try #require(try readFile(path, limit: 1 << 20)) }

    func error(_ name: String) -> JournalError? {
        #expect(throws: JournalError.self) { try JournalReader.verify(folder(name)) }
    }

    @Test("a whole journal of version 1 is read with every event it had")
    func done() throws {
        let run = try JournalReader.verify(folder("done"))
        #expect(run.records.map(\.event) == SampleRun.events)
        #expect(run.state.status == .done && run.state.sessions == 3 && run.state.epoch == 9)
        #expect(run.state.counts == [.ok: 19, .skipped: 1])
        #expect(run.head?.text == "sha256:7fed8da9d49701f9ee7dedb6eb1783db3253c72c469bcdf0af9032ee576cb099")
    }

    @Test("today's program writes the same bytes as the first release did")
    func sameBytes() throws {
        let folder = folder("done")
        #expect(try Array(SampleRun.lines().joined()) == bytes(folder.journal))
        let last = try #require(try JournalReader.verify(folder).records.last)
        #expect(JournalHead(of: last).bytes == (try bytes(folder.head)))
    }

    @Test("a held run, and one that was killed while it wrote, are read up to where they came")
    func heldAndTorn() throws {
        let held = try JournalReader.verify(folder("held"))
        #expect(held.state.status == .held && held.state.end?.exitCode == .outcomeUnknown && held.torn == nil)
        #expect(held.state.unresolved == [SampleRun.step("6.worker3.node.drain")])
        let torn = try JournalReader.verify(folder("torn"))
        #expect(torn.state.status == .open && torn.records.count == 20 && torn.torn?.bytes == 321)
        #expect(torn.records.map(\.event) == Array(SampleRun.events.prefix(20)))
    }

    @Test("damage and a cut end are integrity, another version is not")
    func refused() {
        #expect(
            error("damaged")
                == .integrity(
                    path: folder("damaged").journal.string,
                    reason: "record 17 of 61 does not match its hash; journal not used"
                )
        )
        #expect(
            error("cut")
                == .integrity(
                    path: folder("cut").journal.string,
                    reason: "head.json knows record 61, but the journal ends with 58: its end was cut off"
                )
        )
        let later = error("later-version")
        #expect(
            later == .otherVersion(path: folder("later-version").journal.string, version: 2) && later?.code == .stale
        )
    }

    @Test(
        "the shell script of Format.md verifies by hand what the program verifies",
        arguments: ["done", "held", "damaged"]
    )
    func byHand(name: String) throws {
        let page = FixtureTests.tests.removingLastComponent().removingLastComponent().appending(
            "Sources/Journal/Format.md"
        )
        let text = String(decoding: try bytes(page), as: UTF8.self)
        let start = try #require(text.firstRange(of: "```sh\n")).upperBound
        let script = text[start...].prefix(upTo: try #require(text[start...].firstRange(of: "```\n")).lowerBound)
        let result = try Program.run("/bin/sh", "-c", "cd \"$1\"\n" + script, "sh", folder(name).path.string)
        if name == "damaged" {
            #expect(result.code == 1 && result.output.hasPrefix("damaged: "))
        } else {
            let head = try JournalHead(try bytes(folder(name).head))
            #expect(result.code == 0 && result.output == "verified to \(head.hash)\n")
        }
    }

    @Test("every record that Format.md shows in full verifies")
    func example() throws {
        let page = FixtureTests.tests.removingLastComponent().removingLastComponent().appending(
            "Sources/Journal/Format.md"
        )
        let lines = try bytes(page).split(separator: newline).filter { RecordFrame.open($0[...]) != nil }
        var chain = JournalChain()
        for line in lines { _ = try chain.take(line[...]) }
        #expect(lines.count == 6 && chain.state.status == .held)
    }
}
