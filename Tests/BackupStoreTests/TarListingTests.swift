@testable import BackupStore
import ClusterModel
import FoundationEssentials
import Testing

@Suite("Listing of tar archives")
struct TarListingTests {
    let sandbox: Sandbox
    let folder: Directory

    init() throws {
        sandbox = try Sandbox()
        folder = try Directory.root(at: sandbox.path, create: false)
    }

    /// Runs a fixed script in the sandbox.
    private func shell(_ script: String) async throws {
        let result = try await ChildProcess(
            program: "/bin/sh",
            arguments: ["-ec", "umask 077\n" + script],
            directory: sandbox.path
        ).run(time: TestTime())
        guard result.exitCode == 0 else { throw Failure(result.errors) }
    }

    static let long = String(repeating: "d", count: 120)

    private func archive(_ format: String) async throws -> [ArchiveEntry] {
        try await shell(
            """
            mkdir -p t/etc/haproxy t/\(Self.long)/\(Self.long)
            printf 'global\\n' >t/etc/haproxy/haproxy.cfg
            : >t/empty
            head -c 70000 /dev/zero >t/\(Self.long)/\(Self.long)/zeros
            ln -s haproxy.cfg t/etc/haproxy/link
            ln t/empty t/second
            ln -s \(Self.long)/\(Self.long)/\(Self.long)/x t/longlink
            chmod 0640 t/etc/haproxy/haproxy.cfg
            tar --format=\(format) --sort=name --numeric-owner --owner=7 --group=8 -C t -cf a.tar .
            chmod 0600 a.tar
            """
        )
        return try TarListing.entries(of: "a.tar", in: folder)
    }

    @Test(
        "what GNU tar writes in both formats is listed with modes, owners, links and hashes",
        arguments: ["gnu", "pax"]
    )
    func lists(format: String) async throws {
        let entries = try await archive(format)
        let byPath = Dictionary(uniqueKeysWithValues: entries.map { ($0.path, $0) })
        #expect(entries.count == 11)
        #expect(entries.allSatisfy { $0.uid == 7 && $0.gid == 8 })
        let config = try #require(byPath["./etc/haproxy/haproxy.cfg"])
        #expect(config.type == .file && config.mode == 0o640 && config.bytes == 7)
        #expect(config.sha256 == FileDigest(of: Array("global\n".utf8)).sha256)
        #expect(byPath["./etc/haproxy"]?.type == nil && byPath["./etc/haproxy/"]?.type == .directory)
        #expect(byPath["./etc/haproxy/link"]?.target == "haproxy.cfg")
        #expect(byPath["./second"]?.type == .hardlink && byPath["./second"]?.target == "./empty")
        #expect(byPath["./longlink"]?.target == "\(Self.long)/\(Self.long)/\(Self.long)/x")
        let zeros = try #require(byPath["./\(Self.long)/\(Self.long)/zeros"])
        #expect(zeros.bytes == 70000)
        #expect(zeros.sha256 == FileDigest(of: [UInt8](repeating: 0, count: 70000)).sha256)
    }

    @Test("an archive cut at any block is noticed")
    func cut() async throws {
        _ = try await archive("gnu")
        let whole = try Array(Data(contentsOf: URL(filePath: sandbox.path + "/a.tar")))
        let end = try #require(whole.lastIndex { $0 != 0 }) / 512 * 512 + 512 + 1024
        for length in stride(from: 0, to: end, by: 512) {
            try folder.writeFile("b.tar", Array(whole.prefix(length)))
            let error = #expect(throws: BackupError.self) { try TarListing.entries(of: "b.tar", in: folder) }
            #expect(error?.code == .integrity)
        }
        try folder.writeFile("b.tar", Array(whole.prefix(end)))
        #expect(try TarListing.entries(of: "b.tar", in: folder).count == 11)
    }

    @Test("damaged and random bytes end in a finding, never in a trap")
    func damaged() async throws {
        _ = try await archive("pax")
        let whole = try Array(Data(contentsOf: URL(filePath: sandbox.path + "/a.tar")))
        var random = SplitMix64(state: 8)
        for round in 0..<400 {
            var bytes = whole
            for _ in 0...(round % 4) { bytes[Int(random.next() % 8192)] = UInt8(truncatingIfNeeded: random.next()) }
            try folder.writeFile("b.tar", bytes)
            do throws(BackupError) {
                let entries = try TarListing.entries(of: "b.tar", in: folder)
                #expect(entries.count <= 24)
            } catch .integrity {
                continue
            }
        }
    }

    @Test("a published archive whose entries are not the manifest's fails level 2")
    func level2() async throws {
        let entries = try await archive("gnu")
        let store = try sandbox.store()
        let id = ClusterSupply.id()
        let staged = try store.beginStaging(id)
        let name = BackupFileName.archive(of: ClusterSupply.balancer)
        try ClusterSupply.write(
            Array(Data(contentsOf: URL(filePath: sandbox.path + "/a.tar"))),
            as: name,
            to: staged
        )
        #expect(try staged.entries(of: name) == entries)
        let file = try await staged.seal(name, with: nil, time: TestTime())
        var wrong = entries
        wrong[1].mode = 0o777
        let check = SourceCheck(
            program: "haproxy",
            command: "haproxy -c -f /etc/haproxy/haproxy.cfg",
            verdict: .ok,
            output: ""
        )
        let archive = StoredArchive(
            host: ClusterSupply.balancer,
            kind: .loadBalancer,
            file: file,
            entries: wrong,
            checks: [check]
        )
        _ = try staged.publish(ClusterSupply.manifest(id, archives: [archive]))
        let report = try await store.verify(id, level: 2)
        #expect(report.reached == 1 && report.findings.map(\.what) == ["its entries are not those of the manifest"])
    }
}
