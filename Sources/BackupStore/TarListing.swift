import Crypto
package import SystemPackage

/// Lists a tar archive from its bytes: POSIX ustar, pax and GNU long names, as GNU tar writes them.
///
/// Source: POSIX.1-2017 `pax` (ustar and extended headers) and the GNU tar manual, "Basic Tar Format". An archive without
/// its two closing zero blocks is cut off.
enum TarListing {
    /// The entries in archive order; throws `integrity` for anything that is not a whole tar archive.
    static func entries(of leaf: String, in folder: Directory) throws(BackupError) -> [ArchiveEntry] {
        let file = try folder.openFile(leaf)
        defer { try? file.close() }
        var reader = TarReader(file: file)
        do {
            return try reader.entries()
        } catch let error as Errno {
            throw folder.failure(error.rawValue, "read", leaf)
        } catch {
            let what = (error as? TarReader.Fault)?.description ?? "is not a tar archive"
            throw .integrity(folder.path(of: leaf), [Finding(level: 2, path: leaf, what: what)])
        }
    }
}

/// The state of one pass over an archive.
package struct TarReader {
    struct Fault: Error, CustomStringConvertible { let description: String }

    /// What an extended header says of the entry after it.
    private struct Overrides {
        var path: String?
        var target: String?
        var bytes: Int64?
        var uid: UInt64?
        var gid: UInt64?
    }

    let file: FileDescriptor
    private var offset: Int64 = 0
    private static let extensionLimit: Int64 = 1 << 20

    package init(file: FileDescriptor) { self.file = file }

    package mutating func entries() throws -> [ArchiveEntry] {
        var entries: [ArchiveEntry] = []
        var overrides = Overrides()
        while true {
            let header = try block()
            if header.allSatisfy({ $0 == 0 }) {
                guard try block().allSatisfy({ $0 == 0 }) else { throw Fault(description: "has data after its end") }
                return entries
            }
            try requireChecksum(header)
            let size = try overrides.bytes ?? Int64(clamping: number(header, 124, 12))
            switch header[156] {
            case UInt8(ascii: "x"):
                try apply(pax: try content(Int64(clamping: try number(header, 124, 12))), to: &overrides)
            case UInt8(ascii: "g"): _ = try content(size)
            case UInt8(ascii: "L"): overrides.path = cString(try content(size)[...])
            case UInt8(ascii: "K"): overrides.target = cString(try content(size)[...])
            default:
                entries.append(try entry(header, size: size, overrides))
                overrides = Overrides()
            }
        }
    }

    private mutating func entry(_ header: [UInt8], size: Int64, _ overrides: Overrides) throws -> ArchiveEntry {
        let type: ArchiveEntry.Kind
        switch header[156] {
        case UInt8(ascii: "0"), 0, UInt8(ascii: "7"): type = .file
        case UInt8(ascii: "1"): type = .hardlink
        case UInt8(ascii: "2"): type = .symlink
        case UInt8(ascii: "5"): type = .directory
        case UInt8(ascii: "S"): throw Fault(description: "holds a sparse file, which is not supported")
        default: type = .other
        }
        let isLink = type == .symlink || type == .hardlink
        let held = type == .file ? size : 0
        return ArchiveEntry(
            path: overrides.path ?? path(header),
            type: type,
            mode: UInt32(clamping: try number(header, 100, 8) & 0o7777),
            uid: try overrides.uid ?? number(header, 108, 8),
            gid: try overrides.gid ?? number(header, 116, 8),
            bytes: held,
            sha256: type == .file ? try hash(held) : nil,
            target: isLink ? overrides.target ?? cString(header[157..<257]) : nil
        )
    }

    private func path(_ header: [UInt8]) -> String {
        let name = cString(header[0..<100])
        let isUstar = header[257..<263].elementsEqual([0x75, 0x73, 0x74, 0x61, 0x72, 0])
        let prefix = isUstar ? cString(header[345..<500]) : ""
        return prefix.isEmpty ? name : prefix + "/" + name
    }

    private mutating func block() throws -> [UInt8] {
        let bytes = try file.readBytes(at: offset, upTo: 512)
        guard bytes.count == 512 else { throw Fault(description: "is cut off") }
        offset += 512
        return bytes
    }

    private mutating func content(_ size: Int64) throws -> [UInt8] {
        guard (0...Self.extensionLimit).contains(size) else { throw Fault(description: "has an oversized header") }
        let bytes = try file.readBytes(at: offset, upTo: Int(size))
        guard bytes.count == Int(size) else { throw Fault(description: "is cut off") }
        offset += padded(size)
        return bytes
    }

    private mutating func hash(_ size: Int64) throws -> String {
        guard size >= 0, size < 1 << 50 else { throw Fault(description: "has an entry of impossible size") }
        var hash = SHA256()
        var rest = size
        while rest > 0 {
            let chunk = try file.readBytes(at: offset + size - rest, upTo: Int(min(rest, 1 << 20)))
            guard !chunk.isEmpty else { throw Fault(description: "is cut off") }
            hash.update(data: chunk)
            rest -= Int64(chunk.count)
        }
        offset += padded(size)
        return hexadecimal(hash.finalize())
    }

    private func padded(_ size: Int64) -> Int64 { (size + 511) / 512 * 512 }

    private func requireChecksum(_ header: [UInt8]) throws {
        let sum = header.enumerated().reduce(UInt64(0)) { sum, item in
            sum + ((148..<156).contains(item.offset) ? 32 : UInt64(item.element))
        }
        guard try number(header, 148, 8) == sum else { throw Fault(description: "is not a tar archive, or is damaged") }
    }

    /// An octal field, or GNU's base-256 form for what does not fit.
    private func number(_ header: [UInt8], _ start: Int, _ length: Int) throws -> UInt64 {
        let field = header[start..<start + length]
        guard let first = field.first else { return 0 }
        var value: UInt64 = 0
        if first & 0x80 != 0 {
            for byte in field.dropFirst() {
                guard value >> 56 == 0 else { throw Fault(description: "has a number that is too large") }
                value = value << 8 | UInt64(byte)
            }
            return value
        }
        for byte in field.drop(while: { $0 == 0x20 }) {
            if byte == 0 || byte == 0x20 { break }
            guard (0x30...0x37).contains(byte) else { throw Fault(description: "is not a tar archive, or is damaged") }
            value = value << 3 | UInt64(byte - 0x30)
        }
        return value
    }

    private func cString(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    /// Records of the form `length key=value\n`, where the length counts the whole record.
    private func apply(pax bytes: [UInt8], to overrides: inout Overrides) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let digits = rest.prefix { $0 != 0x20 }
            guard let length = Int(String(decoding: digits, as: UTF8.self)), length > digits.count + 1,
                length <= rest.count
            else { throw Fault(description: "has a damaged extended header") }
            let record = rest.prefix(length).dropFirst(digits.count + 1).dropLast()
            rest = rest.dropFirst(length)
            let key = String(decoding: record.prefix { $0 != 0x3D }, as: UTF8.self)
            let value = String(decoding: record.drop { $0 != 0x3D }.dropFirst(), as: UTF8.self)
            switch key {
            case "path": overrides.path = value
            case "linkpath": overrides.target = value
            case "size": overrides.bytes = Int64(value)
            case "uid": overrides.uid = UInt64(value)
            case "gid": overrides.gid = UInt64(value)
            default: break
            }
        }
    }
}
