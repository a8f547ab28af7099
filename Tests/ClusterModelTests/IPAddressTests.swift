import ClusterModel
import Foundation
import Testing

/// Compares with verdicts of another implementation, recorded in Fixtures/ip-addresses.txt.
@Suite("IP addresses and ranges")
struct IPAddressTests {
    private static let lines: [String] = {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
        let file = folder.appending(path: "Fixtures/ip-addresses.txt")
        let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }()

    private static func cases(_ word: String, separator: Character = " ") -> [[String]] {
        lines.map { $0.split(separator: separator).map(String.init) }.filter { $0.first == word }
    }

    @Test("addresses are read, refused and printed as recorded")
    func addresses() {
        let cases = Self.cases("address")
        #expect(cases.count == 420)
        for row in cases {
            #expect(IPAddress(row[1])?.description ?? "-" == row[2], "\(row[1])")
        }
    }

    @Test("a printed address reads back as itself")
    func roundTrip() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<2000 {
            let address = randomAddress(&random)
            #expect(IPAddress(address.description) == address)
        }
    }

    @Test("ranges have the recorded first and last addresses")
    func ranges() throws {
        let cases = Self.cases("range")
        #expect(cases.count == 160)
        for row in cases {
            let range = try CIDR(row[1])
            #expect("\(range) \(range.first) \(range.last)" == "\(row[1]) \(row[2]) \(row[3])")
        }
    }

    @Test("ranges overlap as recorded")
    func overlaps() throws {
        let cases = Self.cases("overlap")
        #expect(Set(cases.map { $0[3] }) == ["True", "False"])
        for row in cases {
            let (left, right) = (try CIDR(row[1]), try CIDR(row[2]))
            #expect(left.overlaps(right) == (row[3] == "True"), "\(left) \(right)")
            #expect(right.overlaps(left) == (row[3] == "True"), "\(right) \(left)")
        }
    }

    @Test("ranges contain addresses as recorded")
    func contains() throws {
        let cases = Self.cases("contains")
        #expect(Set(cases.map { $0[3] }) == ["True", "False"])
        for row in cases {
            let address = try #require(IPAddress(row[2]))
            #expect(try CIDR(row[1]).contains(address) == (row[3] == "True"), "\(row[1]) \(row[2])")
        }
    }

    @Test("texts that are no range are refused, and host bits name the range that was meant")
    func refusedRanges() {
        let cases = Self.cases("refused", separator: "\t")
        #expect(cases.count == 16)
        for row in cases {
            do throws(CIDR.Problem) {
                Issue.record("\(row[1]) was read as \(try CIDR(row[1]))")
            } catch {
                if case .hostBitsSet(let network) = error {
                    #expect(network.description == row[2])
                } else {
                    #expect(row[2] == "-", "\(row[1])")
                }
            }
        }
    }

    @Test("IPv4 sorts before IPv6, and both by number")
    func order() throws {
        let texts = ["9.0.0.1", "10.0.0.1", "10.0.0.2", "::", "::2", "::10", "fd00::"]
        let addresses = try texts.map { try #require(IPAddress($0)) }
        #expect(addresses.shuffled().sorted() == addresses)
    }

    @Test("no text makes the parsers trap")
    func noise() {
        var random = SplitMix64(seed: 11)
        let alphabet = Array("0123456789abcdef::::..../%xé \u{0}")
        for _ in 0..<5000 {
            let length = Int(random.next() % 24)
            let text = String((0..<length).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] })
            if let address = IPAddress(text) { #expect(IPAddress(address.description) == address) }
            _ = try? CIDR(text)
        }
    }

    private func randomAddress(_ random: inout SplitMix64) -> IPAddress {
        var value: UInt128 = 0
        // Zero groups are frequent, so that shortening is exercised.
        for _ in 0..<8 { value = value << 16 | (random.next() % 3 == 0 ? UInt128(random.next() & 0xFFFF) : 0) }
        return IPAddress(family: random.next() % 2 == 0 ? .v4 : .v6, value: value)
    }
}
