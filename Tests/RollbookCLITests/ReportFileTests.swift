import ClusterModel
import Foundation
import Testing

@testable import RollbookCLI

@Suite("The file of a report")
struct ReportFileTests {
    /// A folder of its own, removed after the test.
    private func inFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "report-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }

    private func mode(_ file: URL) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
    }

    @Test("it is private, replaces an earlier file whatever its mode, and leaves nothing beside it")
    func replaces() throws {
        try inFolder { folder in
            let file = folder.appending(path: "run.html")
            try Data("old".utf8).write(to: file)
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file.path)
            try ReportFile(file.path).write("new")
            #expect(try String(contentsOf: file, encoding: .utf8) == "new")
            #expect(try mode(file) == 0o600)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["run.html"])
        }
    }

    @Test("a symbolic link is refused, and what it points to stays as it is")
    func symbolicLink() throws {
        try inFolder { folder in
            let target = folder.appending(path: "target")
            let link = folder.appending(path: "link")
            try Data("precious".utf8).write(to: target)
            try FileManager.default.createSymbolicLink(at: link, withDestinationURL: target)
            let error = #expect(throws: OperatorMessage.self) { try ReportFile(link.path).write("new") }
            #expect(error?.code == .security)
            #expect(try String(contentsOf: target, encoding: .utf8) == "precious")
        }
    }

    @Test("a folder is refused, and so is a place that does not exist")
    func noFile() throws {
        try inFolder { folder in
            let error = #expect(throws: OperatorMessage.self) { try ReportFile(folder.path).write("new") }
            #expect(error?.code == .usage)
            let missing = #expect(throws: OperatorMessage.self) {
                try ReportFile(folder.appending(path: "no/such.html").path).write("new")
            }
            #expect(missing?.code == .storage)
        }
    }
}
