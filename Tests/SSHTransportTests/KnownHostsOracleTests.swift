import Foundation
import SSHTransport
import Testing

@Suite("Known hosts against ssh-keygen -F")
struct KnownHostsOracleTests {
    /// One line that was found for a name: its number, its marker and the fingerprint of its key.
    struct Found: Hashable, CustomStringConvertible {
        let line: Int
        let marker: String
        let fingerprint: String
        var description: String { "\(line)\(marker) \(fingerprint)" }
    }

    @Test("1,000 generated files give the same lines for every name")
    func generatedFiles() throws {
        let keygen = try OpenSSH.program("/usr/bin/ssh-keygen")
        let folder = try TemporaryFolder()
        var samples = KnownHostsSamples(seed: 20_261_120)
        // Files are looked up in heaps of 100, which keeps it to some 170 processes: a line's meaning does not depend
        // on the lines around it. 24 more are looked up alone, with their ends and endings as they are.
        var heaps: [[[UInt8]]] = (0..<10).map { _ in (0..<100).map { _ in samples.file(lines: 12) } }
        heaps += (0..<24).map { _ in [samples.file(lines: 12)] }
        var script = ""
        for (index, heap) in heaps.enumerated() {
            var content: [UInt8] = []
            for file in heap {
                if let last = content.last, last != 0x0A { content.append(0x0A) }
                content += file
            }
            try folder.write(content, to: "heap\(index)")
            for (number, name) in KnownHostsSamples.names.enumerated() where heap.count > 1 || number % 6 == index % 6 {
                script += "echo '#### \(index) \(name)'\n'\(keygen)' -l -F '\(name)' -f heap\(index)\n"
            }
        }
        let output = try OpenSSH.shell(script, in: folder)
        let known = heaps.indices.map { index in
            (try? folder.bytes(of: "heap\(index)")).map { KnownHosts(files: [.init(path: "f", bytes: $0)]) }
        }
        var compared = 0
        var matches = 0
        for section in output.components(separatedBy: "#### ").dropFirst() {
            let lines = section.split(whereSeparator: \.isNewline)
            let head = try #require(lines.first).split(separator: " ")
            let (index, name) = (try #require(Int(head[0])), String(head[1]))
            let ours = try #require(known[index]).lines(for: name).map { line in
                Found(
                    line: line.number,
                    marker: Self.marker(line.marker),
                    fingerprint: HostKeyFingerprint(ofKey: line.key.blob).description
                )
            }
            let theirs = try Self.read(lines.dropFirst())
            #expect(ours.map(\.line) == ours.map(\.line).sorted())
            for odd in Set(ours).symmetricDifference(theirs) {
                let text = try folder.bytes(of: "heap\(index)").split(separator: 0x0A, omittingEmptySubsequences: false)
                let line = String(decoding: text[odd.line - 1], as: UTF8.self).debugDescription
                Issue.record("\(name): only \(ours.contains(odd) ? "we" : "ssh-keygen") found \(odd): \(line)")
            }
            compared += heaps[index].count
            matches += theirs.count
        }
        #expect(compared == 10 * 100 * KnownHostsSamples.names.count + 24 * KnownHostsSamples.names.count / 6)
        // The generator must not have degenerated into files where nothing is ever found.
        #expect(matches > 7_000)
    }

    private static func marker(_ marker: KnownHostsLine.Marker) -> String {
        switch marker {
        case .none: ""
        case .revoked: "REVOKED"
        case .certificateAuthority: "CA"
        }
    }

    /// `# Host h1 found: line 3 REVOKED` and then `h1 ED25519 SHA256:…`.
    private static func read(_ lines: ArraySlice<Substring>) throws -> [Found] {
        var found: [Found] = []
        var place: (line: Int, marker: String)?
        for line in lines {
            if let range = line.range(of: " found: line ") {
                let words = line[range.upperBound...].split(separator: " ")
                place = (try #require(Int(words[0])), words.count > 1 ? String(words[1]) : "")
            } else if let here = place, let word = line.split(separator: " ").first(where: { $0.hasPrefix("SHA256:") })
            {
                found.append(Found(line: here.line, marker: here.marker, fingerprint: String(word)))
                place = nil
            }
        }
        return found
    }
}
