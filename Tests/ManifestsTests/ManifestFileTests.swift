import ClusterModel
import Foundation
import Manifests
import Testing

@Suite("Manifest files")
struct ManifestFileTests {
    private func withFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "manifest-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }

    private func message(_ path: String) -> String? {
        do throws(OperatorMessage) {
            _ = try ManifestFile.read(path)
            return nil
        } catch {
            let expected: Set<ExitCode> = [.invalidInput, .usage]
            return expected.contains(error.code) ? error.event : "wrong code \(error.code)"
        }
    }

    @Test("a regular file is read whole, also through a symbolic link")
    func regular() throws {
        try withFolder { folder in
            let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
            try Data(bytes).write(to: folder.appending(path: "a.yaml"))
            let link = folder.appending(path: "link.yaml").path
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "a.yaml")
            #expect(try ManifestFile.read(folder.appending(path: "a.yaml").path) == bytes)
            #expect(try ManifestFile.read(link) == bytes)
        }
    }

    @Test("what is no file is refused at once: folder, FIFO, device, nothing, no bytes, too many bytes")
    func refused() throws {
        try withFolder { folder in
            let fifo = folder.appending(path: "fifo").path
            let made = unsafe mkfifo(fifo, 0o600)
            #expect(made == 0)
            #expect(message(fifo) == "is a FIFO, not a file")
            #expect(message(folder.path) == "is a folder, not a file")
            #expect(message("/dev/zero") == "is a device, not a file")
            let empty = folder.appending(path: "empty.yaml")
            try Data().write(to: empty)
            #expect(message(empty.path) == "is empty (0 bytes)")
            #expect(message(folder.appending(path: "none").path) == "there is no such file")
            let large = folder.appending(path: "large.yaml")
            try Data(count: (8 << 20) + 1).write(to: large)
            #expect(message(large.path) == "has 8388609 bytes; 8388608 are the limit")
        }
    }
}
