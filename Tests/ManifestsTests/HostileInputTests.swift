import ClusterModel
import Manifests
import Testing

@Suite("Hostile inputs")
struct HostileInputTests {
    private func problems(_ bytes: [UInt8]) -> [Diagnostic] {
        do {
            _ = try InventoryLoader.load(bytes, path: "x.yaml", context: .sample)
            return []
        } catch {
            return error.diagnostics
        }
    }

    private func firstMessage(_ text: String) -> String? { problems(Array(text.utf8)).first?.message }

    /// Expansion would take hours.
    private let limit = Duration.milliseconds(100)

    /// The shortest of several runs, so that a busy machine does not decide.
    private func elapsed(_ body: () -> Void) -> Duration {
        (0..<5).map { _ in ContinuousClock().measure(body) }.min() ?? .zero
    }

    @Test("an alias bomb of nine levels is refused before anything is expanded")
    func aliasBomb() {
        var text = "format: 1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(aliases)]\n"
        }
        text += "? *a9\n: x\n"
        let bytes = Array(text.utf8)
        var found: [Diagnostic] = []
        #expect(elapsed { found = problems(bytes) } < limit)
        #expect(found.first?.message == "anchor '&a0' is refused")
        #expect(found.count <= 30)
    }

    @Test("a file of nothing but aliases ends early")
    func manyAliases() {
        let bytes = Array("a: &a x\nb:\n".utf8) + Array(String(repeating: "  - *a\n", count: 10_000).utf8)
        var found: [Diagnostic] = []
        #expect(elapsed { found = problems(bytes) } < .seconds(1))
        #expect((2...30).contains(found.count))
    }

    @Test("10,000 levels of nesting are refused without recursion", arguments: ["[", "{a: ", "- ", "? ", "[a, {b: "])
    func deepNesting(_ opening: String) {
        let text = String(repeating: opening, count: 10_000)
        var message: String?
        #expect(elapsed { message = firstMessage(text) } < .milliseconds(500))
        #expect(message == "nested deeper than 32 levels")
        #expect(firstMessage("format: 1\ncluster:\n  " + text) == "nested deeper than 32 levels")
    }

    @Test("a staircase of 200 lines is refused at its 33rd step")
    func staircase() {
        let text = (0..<200).map { String(repeating: " ", count: $0) + "a:\n" }.joined()
        #expect(problems(Array(text.utf8)).map(\.location.line) == [33])
    }

    @Test("32 levels are read, 33 are not")
    func depthLimit() {
        let inside = "format: 1\nx: " + String(repeating: "[", count: 31) + String(repeating: "]", count: 31)
        #expect(problems(Array(inside.utf8)).contains { $0.message.hasPrefix("unknown key 'x'") })
        let beyond = "format: 1\nx: " + String(repeating: "[", count: 32) + String(repeating: "]", count: 32)
        #expect(firstMessage(beyond) == "nested deeper than 32 levels")
    }

    @Test("a file beyond 8 MiB is refused unread")
    func tooLarge() {
        let bytes = [UInt8](repeating: UInt8(ascii: "#"), count: (8 << 20) + 1)
        #expect(problems(bytes).map(\.message) == ["the file has 8388609 bytes; 8388608 are the limit"])
    }

    @Test("a flood of mistakes is cut off, and says so")
    func flood() throws {
        let text = "format: 1\n" + (0..<3000).map { "k\($0): x\n" }.joined()
        let found = problems(Array(text.utf8))
        #expect(found.count == 1000)
        #expect(found.contains { $0.message.hasSuffix("(the 1000th problem; further ones are not listed)") })
    }

    @Test("problems come in the order of the file")
    func order() {
        let found = problems(Array("b: 1\na: 2\nformat: x\ncluster: []\nmasters: [{}, {x: 1}]\n".utf8))
        let places = found.map { ($0.location.line, $0.location.column) }
        #expect(places.count >= 8)
        #expect(zip(places, places.dropFirst()).allSatisfy { $0 <= $1 })
    }

    @Test("mutated inventories give diagnostics or a cluster, never a trap", arguments: 0..<4)
    func mutatedInventories(_ round: UInt64) throws {
        let folder = FixtureFolder("inventory")
        let seeds = try folder.cases.map(folder.input)
        var random = SplitMix64(seed: round)
        var refused = 0
        for _ in 0..<100 {
            let seed = seeds[Int(random.next() % UInt64(seeds.count))]
            let found = problems(mutated(seed, &random))
            if found.contains(where: { $0.severity == .error }) { refused += 1 } else { #expect(found.isEmpty) }
            for diagnostic in found {
                #expect(diagnostic.location.line >= 1 && diagnostic.location.column >= 1)
                #expect(!diagnostic.rendered.isEmpty)
            }
        }
        #expect(refused > 50)
    }

    @Test("mutated runbooks give diagnostics or a runbook, never a trap", arguments: 0..<4)
    func mutatedRunbooks(_ round: UInt64) throws {
        let folder = FixtureFolder("runbook")
        let seeds = try folder.cases.map(folder.input)
        var random = SplitMix64(seed: 100 + round)
        var refused = 0
        for _ in 0..<100 {
            let seed = seeds[Int(random.next() % UInt64(seeds.count))]
            let text = describe(runbook: mutated(seed, &random), path: "x.yaml")
            if text.contains(": error: ") { refused += 1 } else { #expect(text.hasPrefix("runbook ")) }
        }
        #expect(refused > 50)
    }

    /// One to four of: a flipped bit, a removed or doubled run, an inserted piece of syntax.
    private func mutated(_ seed: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
        let pieces = [
            ": ", "- ", "[", "]", "{", "}", "\n", "\t", "\"", "'", "&a ", "*a", "!t ", "|\n", "#", "~", "\0", "é",
            "<<: ",
        ]
        var bytes = seed
        for _ in 0...(random.next() % 4) {
            guard !bytes.isEmpty else { return Array("[".utf8) }
            let at = Int(random.next() % UInt64(bytes.count))
            let end = min(bytes.count, at + 1 + Int(random.next() % 12))
            switch random.next() % 4 {
            case 0: bytes[at] ^= 1 << UInt8(random.next() % 8)
            case 1: bytes.removeSubrange(at..<end)
            case 2: bytes.insert(contentsOf: bytes[at..<end], at: at)
            default: bytes.insert(contentsOf: pieces[Int(random.next() % UInt64(pieces.count))].utf8, at: at)
            }
        }
        return bytes
    }
}
