import ClusterModel
import Foundation
import Testing

@Suite("Identifiers")
struct IdentifierTests {
    @Test(
        "names of letters, digits, dots and dashes are host names",
        arguments: ["a", "0", "master1", "m-1", "node.rack.example", "a-b.c-d", String(repeating: "a", count: 253)]
    )
    func goodNames(_ text: String) { #expect(HostName(text)?.text == text) }

    @Test(
        "nothing that could leave a folder, become an option or a shell word is a host name",
        arguments: [
            "", ".", "..", "-", "-a", "a-", ".a", "a.", "a..b", "../a", "/a", "a/b", "A", "a b", "a_b", "a\n", "\na",
            "a\u{0}", "$(a)", "a;b", "a`b`", "é", "\u{430}", "a\u{200B}", "a\u{301}", "~", "*",
            String(repeating: "a", count: 254), String(repeating: "a", count: 300),
        ]
    )
    func badNames(_ text: String) { #expect(HostName(text) == nil) }

    @Test("decoding refuses what cannot be made")
    func decodingChecks() throws {
        let decoder = JSONDecoder()
        #expect(throws: InvalidIdentifier.self) { try decoder.decode(HostName.self, from: Data(#""../x""#.utf8)) }
        #expect(throws: InvalidIdentifier.self) { try decoder.decode(ClusterID.self, from: Data(#""X""#.utf8)) }
        #expect(throws: InvalidIdentifier.self) { try decoder.decode(RunID.self, from: Data(#""now""#.utf8)) }
        #expect(try decoder.decode(HostName.self, from: Data(#""m1""#.utf8)) == HostName("m1"))
    }

    @Test("encoding and decoding give the same identifier")
    func codableRoundTrip() throws {
        let run = RunID(moment: UTCMoment(seconds: 1_795_212_782), random: 0x9F)
        #expect(try JSONDecoder().decode(RunID.self, from: JSONEncoder().encode(run)) == run)
        let cluster = try #require(ClusterID("lab"))
        #expect(try JSONDecoder().decode(ClusterID.self, from: JSONEncoder().encode(cluster)) == cluster)
    }

    @Test("a cluster id is a name of at most 63 characters")
    func clusterLength() {
        #expect(ClusterID(String(repeating: "c", count: 63)) != nil)
        #expect(ClusterID(String(repeating: "c", count: 64)) == nil)
    }

    @Test("a run id is its start and eight hexadecimal digits")
    func runID() throws {
        let moment = try #require(UTCMoment("2026-11-20T22:13:02Z"))
        let id = RunID(moment: moment, random: 0x00F3_A12C)
        #expect(id.text == "20261120T221302Z-00f3a12c")
        #expect(id.short == "00f3a12c")
        #expect(RunID(id.text) == id)
    }

    @Test(
        "texts that only look like run ids are refused",
        arguments: [
            "", "20261120T221302Z-9f3a12c", "20261120T221302Z-9f3a12c44", "20261120T221302Z-9F3A12C4",
            "20261120 221302Z-9f3a12c4", "20261120T221302Z_9f3a12c4", "2026112aT221302Z-9f3a12c4",
            "../61120T221302Z-9f3a12c4", "20261120T221302Z-9f3a12cé",
        ]
    )
    func badRunIDs(_ text: String) { #expect(RunID(text) == nil) }

    @Test("run ids of later starts sort later as text")
    func runOrder() {
        var random = SplitMix64(seed: 3)
        for _ in 0..<500 {
            let early = Int64(random.next() % 4_000_000_000)
            let late = early + 1 + Int64(random.next() % 100_000)
            let ids = [early, late].map { RunID(moment: UTCMoment(seconds: $0), random: UInt32(random.next() >> 32)) }
            #expect(ids[0] < ids[1])
        }
    }
}
