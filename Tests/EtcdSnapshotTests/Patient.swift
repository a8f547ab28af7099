import Crypto
import EtcdSnapshot

/// A snapshot under the knife: bytes can be changed at will and the checksums mended afterwards.
struct Patient {
    var bytes: [UInt8]
    let pageSize: Int

    init(_ bytes: [UInt8], pageSize: Int = 4_096) {
        self.bytes = bytes
        self.pageSize = pageSize
    }

    var bodyCount: Int { bytes.count - 32 }
    var pages: Int { bodyCount / pageSize }

    subscript(byte offset: Int) -> UInt8 {
        get { bytes[offset] }
        set { bytes[offset] = newValue }
    }

    func number(at offset: Int, width: Int) -> UInt64 {
        (0..<width).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
    }

    mutating func set(_ value: UInt64, at offset: Int, width: Int) {
        for index in 0..<width { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
    }

    /// The first page with these flags, from page 2 on; leaves of more than one element come first to mind.
    func firstPage(flags: UInt64, count: ClosedRange<UInt64> = 0...UInt64(UInt16.max)) -> Int? {
        (2..<pages).first {
            number(at: $0 * pageSize, width: 8) == UInt64($0) && number(at: $0 * pageSize + 8, width: 2) == flags
                && count.contains(number(at: $0 * pageSize + 10, width: 2))
        }
    }

    /// Changes a field of both meta pages and mends their checksums; `offset` counts from the start of the meta body.
    mutating func setMeta(_ value: UInt64, at offset: Int, width: Int) {
        for page in 0...1 { set(value, at: page * pageSize + 16 + offset, width: width) }
        sealMeta()
    }

    mutating func sealMeta() {
        for page in 0...1 {
            let body = page * pageSize + 16
            var hash: UInt64 = 14_695_981_039_346_656_037
            for byte in bytes[body..<(body + 56)] { hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211 }
            set(hash, at: body + 56, width: 8)
        }
    }

    /// The bytes with a right trailer.
    func sealed() -> [UInt8] { bytes[..<bodyCount] + Array(SHA256.hash(data: bytes[..<bodyCount])) }
}

/// The problem that verifying `bytes` ends in, or nil where they pass.
func problem(in bytes: [UInt8], acceptsMissingTrailer: Bool = false) -> SnapshotProblem? {
    do throws(SnapshotProblem) {
        _ = try SnapshotVerifier(acceptsMissingTrailer: acceptsMissingTrailer).verify(MemoryBytes(bytes))
        return nil
    } catch {
        return error
    }
}
