import Foundation
import Synchronization

/// A controller's folder of backups in memory, where the machine has room for that; a dying process leaves an image of it.
final class ControllerDisk: Sendable {
    private let base: String
    private let images = Mutex(0)

    /// Begins with the files of an image.
    init(_ image: [String: Data] = [:]) throws {
        base = Self.place + "/rollbook-matrix-" + String(UInt64.random(in: .min ... .max), radix: 16)
        try Self.makeFolder(base)
        try Self.makeFolder(root)
        for (path, data) in image {
            let file = "\(root)/\(path)"
            try Self.makeFolder(URL(filePath: file).deletingLastPathComponent().path)
            Self.write(data, to: file)
        }
    }

    deinit { remove() }

    /// Removes everything, however long somebody still holds it.
    func remove() { try? FileManager.default.removeItem(atPath: base) }

    /// The folder as the present process sees it.
    var root: String { base + "/\(images.withLock { $0 })" }

    /// What is done to the present folder from now on is lost: the next process finds it as it is at this moment.
    func cutOff() {
        images.withLock { number in
            Self.copy(base + "/\(number)", to: base + "/\(number + 1)")
            number += 1
        }
    }

    /// Every file by its path in the present folder.
    func image() throws -> [String: Data] {
        try Self.files(below: root).reduce(into: [:]) { $0[$1] = try Self.contents(of: "\(root)/\($1)") }
    }

    static func contents(of path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }

    /// Every file below a folder, sorted by its path in it.
    static func files(below folder: String) -> [String] {
        (FileManager.default.subpaths(atPath: folder) ?? []).sorted().filter { path in
            var isFolder: ObjCBool = false
            let exists = unsafe FileManager.default.fileExists(atPath: "\(folder)/\(path)", isDirectory: &isFolder)
            return exists && !isFolder.boolValue
        }
    }

    /// Memory, unless it is as small as a container's.
    private static let place: String = {
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: "/dev/shm")
        let free = (attributes?[.systemFreeSize] as? NSNumber)?.int64Value ?? 0
        return free > 1 << 30 ? "/dev/shm" : FileManager.default.temporaryDirectory.path
    }()

    private static func write(_ data: Data, to path: String) {
        _ = FileManager.default.createFile(atPath: path, contents: data, attributes: [.posixPermissions: 0o600])
    }

    private static func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
    }

    /// Copies a tree that others may still be at work in: what is gone meanwhile is left out.
    private static func copy(_ from: String, to target: String) {
        try? makeFolder(target)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: from)) ?? [] {
            let source = "\(from)/\(name)"
            if (try? FileManager.default.contentsOfDirectory(atPath: source)) != nil {
                copy(source, to: "\(target)/\(name)")
            } else if let data = try? contents(of: source) {
                write(data, to: "\(target)/\(name)")
            }
        }
    }
}
