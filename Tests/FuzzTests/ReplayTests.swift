import Foundation
import FuzzedParsers
import TestSupport
import Testing

@Suite("Bytes that others wrote")
struct ReplayTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Fuzz")

    /// The files of a parser: what fuzzing found worth keeping, and what it once broke.
    private static func corpus(_ parser: FuzzedParser) throws -> [(name: String, bytes: [UInt8])] {
        try ["Corpus", "Found"].flatMap { kind in
            let place = folder.appending(path: "\(kind)/\(parser.rawValue)")
            let names = (try? FileManager.default.contentsOfDirectory(atPath: place.path)) ?? []
            return try names.sorted().map { name in
                ("\(kind)/\(parser.rawValue)/\(name)", [UInt8](try Data(contentsOf: place.appending(path: name))))
            }
        }
    }

    /// A replay ends in seconds; a parser that takes longer for one small file hangs for somebody.
    private let limit = Duration.seconds(5)

    @Test("what fuzzing kept is read without a trap, and soon", arguments: FuzzedParser.allCases)
    func replay(_ parser: FuzzedParser) throws {
        let corpus = try Self.corpus(parser)
        #expect(corpus.count >= 2)
        for (name, bytes) in corpus {
            let time = ContinuousClock().measure { parser.feed(bytes) }
            #expect(time < limit, "\(name)")
        }
    }

    @Test("changed a little, it is read as well", arguments: FuzzedParser.allCases)
    func mutations(_ parser: FuzzedParser) throws {
        let corpus = try Self.corpus(parser).map(\.bytes).filter { $0.count < 32_768 }
        var random = SplitMix64(seed: 20)
        let start = ContinuousClock.now
        var fed = 0
        while fed < 200, fed < 5 || ContinuousClock.now - start < .seconds(1) {
            parser.feed(mutated(try #require(corpus.randomElement(using: &random)), corpus, &random))
            fed += 1
        }
        #expect(fed >= 5)
    }

    /// One to four of: a flipped bit, a removed or doubled piece, a piece of another file, a number at its limit.
    private func mutated(_ seed: [UInt8], _ corpus: [[UInt8]], _ random: inout SplitMix64) -> [UInt8] {
        let numbers = [
            "-1", "0", "9223372036854775807", "18446744073709551616", "1e999", "4294967296", "\u{0}", "\u{1B}[",
        ]
        var bytes = seed
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            guard !bytes.isEmpty else { return seed }
            let at = Int.random(in: 0..<bytes.count, using: &random)
            let end = min(bytes.count, at + Int.random(in: 1...16, using: &random))
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes.removeSubrange(at..<end)
            case 2: bytes.insert(contentsOf: bytes[at..<end], at: at)
            case 3:
                let other = corpus.randomElement(using: &random) ?? seed
                bytes.replaceSubrange(at..<end, with: other.suffix(64))
            default: bytes.replaceSubrange(at..<end, with: (numbers.randomElement(using: &random) ?? "").utf8)
            }
        }
        return bytes
    }
}
