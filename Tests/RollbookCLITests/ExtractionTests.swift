import ClusterModel
import EtcdSnapshot
import Foundation
import TestSupport
import Testing

@testable import RollbookCLI

/// Runs the program on a snapshot among the fixtures; its answers go to standard output and are not looked at.
@Suite("Extracting one value")
struct ExtractionTests {
    private let folder: URL

    init() throws {
        folder = URL(filePath: NSTemporaryDirectory()).appending(path: "rollbook-extract-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private static func snapshot(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "EtcdSnapshotTests/Fixtures/\(name).db").path
    }

    private func extract(_ name: String, _ key: String, _ more: String...) async -> (ExitCode, [UInt8]?) {
        let out = folder.appending(path: UUID().uuidString)
        let code = await Rollbook.run(
            ["backups", "extract", Self.snapshot(name), "--key", key, "--out", out.path] + more
        )
        return (code, try? [UInt8](Data(contentsOf: out)))
    }

    @Test("a value is stored as it lies in etcd, for nobody else to read, and never over another file")
    func raw() async throws {
        let out = folder.appending(path: "pod")
        let arguments = [
            "backups", "extract", Self.snapshot("night-two-3.5.16"), "--key", "/registry/pods/shop/web-1", "--out",
            out.path,
        ]
        #expect(await Rollbook.run(arguments) == .done)
        let bytes = try [UInt8](Data(contentsOf: out))
        #expect(
            bytes.starts(with: Array("k8s\u{0}".utf8)) && String(decoding: bytes, as: UTF8.self).contains("made again")
        )
        let mode = try FileManager.default.attributesOfItem(atPath: out.path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(await Rollbook.run(arguments) == .refused)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["pod"])
        try FileManager.default.removeItem(at: folder)
    }

    @Test("JSON is made readable, protobuf and what is encrypted are not decoded")
    func decoded() async throws {
        let (code, bytes) = await extract("night-one-3.4.23", "/registry/example.com/widgets/shop/blue", "--decode")
        #expect(code == .done)
        let text = String(decoding: try #require(bytes), as: UTF8.self)
        #expect(text.contains("\n    \"name\": \"blue\",\n") && text.contains("\"size\": 1.5,"))
        #expect(await extract("night-one-3.4.23", "/registry/pods/shop/web-1", "--decode").0 == .refused)
        #expect(await extract("night-one-3.4.23", "/compact_rev_key", "--decode").0 == .done)
        try FileManager.default.removeItem(at: folder)
    }

    @Test("a Secret is refused by its key and by what it is, whatever the options")
    func secrets() async throws {
        for more in [[], ["--decode"], ["--revision", "5"], ["--prefix", "/other"], ["--format", "json"]] {
            for key in ["/registry/secrets/shop/token", "/other/secrets/a/b"] {
                let out = folder.appending(path: "never")
                let code = await Rollbook.run(
                    ["backups", "extract", Self.snapshot("night-two-3.5.16"), "--key", key, "--out", out.path] + more
                )
                #expect(code == .refused)
                #expect(!FileManager.default.fileExists(atPath: out.path))
            }
        }
        let rule = SecretRule(prefix: "/registry/")
        let value = Array(#"{"kind":"Secret","apiVersion":"v1","data":{"a":"aHVudGVy"}}"#.utf8)
        #expect(throws: OperatorMessage.self) { try rule.check(Self.value("/elsewhere/x", value)) }
        try rule.check(Self.value("/elsewhere/x", Array(#"{"kind":"ConfigMap"}"#.utf8)))
        try rule.check(key: "/registry/configmaps/secrets/settings")
        #expect(throws: OperatorMessage.self) { try SecretRule(prefix: "/a/b/").check(key: "/a/b/secrets/x/y") }
        try FileManager.default.removeItem(at: folder)
    }

    /// A change of any snapshot that pretends to hold `bytes`, as JSON longer than the reader looks at does.
    private static func value(_ key: String, _ bytes: [UInt8]) throws -> ExtractedValue {
        let file = try SnapshotFile(path: snapshot("night-one-3.5.16"))
        let contents = try SnapshotContents(of: file, verifiedAs: SnapshotVerifier().verify(file))
        let widget = Array("/registry/example.com/widgets/shop/blue".utf8)
        let change = try #require(try contents.history(of: widget).found)
        let object = try JSONDecoder().decode(KubernetesObject.self, from: Data(#"{"encoding":{"json":{}}}"#.utf8))
        return ExtractedValue(key: key, change: change, object: object, bytes: bytes)
    }

    @Test("what is not there says why, and what to ask for instead")
    func absent() async throws {
        #expect(await extract("night-two-3.5.16", "/registry/pods/shop/web-0").0 == .refused)
        #expect(await extract("night-two-3.5.16", "/registry/none").0 == .refused)
        #expect(await extract("night-two-3.5.16", "/registry/pods/shop/web-1", "--revision", "9999").0 == .refused)
        #expect(await extract("no-such-file", "/registry/none").0 == .usage)
        try FileManager.default.removeItem(at: folder)
    }

    @Test("the words for a key that has no value, by its history")
    func words() throws {
        let file = try SnapshotFile(path: Self.snapshot("night-two-3.5.16"))
        let report = try SnapshotVerifier().verify(file)
        let contents = try SnapshotContents(of: file, verifiedAs: report)
        func message(_ key: String, _ revision: Int64? = nil) throws -> String {
            let answer = KeyAnswer(
                key: key,
                revision: revision,
                label: "a.db",
                source: "a.db",
                newest: report.revision,
                compacted: report.compactedRevision
            )
            let history = try contents.history(of: Array(key.utf8), at: revision)
            let error = #expect(throws: OperatorMessage.self) { try answer.change(in: history) }
            return try #require(error).description
        }
        #expect(try message("/registry/events").contains("1 begin with it. Next: give a whole key"))
        #expect(try message("/nowhere").contains("What was deleted up to revision 30 is compacted away"))
        #expect(try message("/temporary").contains("it was deleted at revision"))
        #expect(try message("/registry/events/shop/e1", 3).contains("is compacted. 1 of its changes are kept"))
        #expect(try message("/temporary", report.revision - 2).contains("it was not there yet at revision"))
        #expect(try message("/x", 9_999).contains("the snapshot ends at revision \(report.revision)"))
    }

    @Test("JSON keeps every number and every name, and nothing in it moves a cursor")
    func indenting() {
        #expect(
            JSONIndenter.text(of: Array(#"{"b":[],"a":{},"n":[1.50,1e400]}"#.utf8)) == """
                {
                  "b": [],
                  "a": {},
                  "n": [
                    1.50,
                    1e400
                  ]
                }
                """
        )
        #expect(JSONIndenter.text(of: Array("[\"a\\\"{,\u{202e}\u{9b}\"]".utf8)) == "[\n  \"a\\\"{,\\u202e\\u009b\"\n]")
        #expect(JSONIndenter.text(of: Array("7".utf8)) == "7")
        for broken in ["", "{", "{\"a\":}", "[1 2]", "k8s", "\u{0}"] {
            #expect(JSONIndenter.text(of: Array(broken.utf8)) == nil, "\(broken)")
        }
        #expect(JSONIndenter.text(of: [0x22, 0xff, 0x22]) == nil)
    }
}
