/// How full a member's database file is, and whether rewriting it is worth blocking the member for that long: pure arithmetic.
package struct EtcdSpace: Sendable, Hashable {
    /// What etcd uses when nothing was set.
    ///
    /// Source: etcd `server/storage/quota.go`, `DefaultQuotaBytes`.
    static let defaultQuota: UInt64 = 2 << 30
    /// From here on a file is too full to wait for the usual gain.
    static let fullPercent = 70

    package let bytes: UInt64
    package let inUse: UInt64
    package let quota: UInt64
    /// etcd takes no writes until space is won.
    let isExhausted: Bool

    package init(_ status: EtcdStatus.Value, isExhausted: Bool = false) {
        bytes = status.databaseBytes
        inUse = min(status.databaseInUseBytes, bytes)
        quota = status.quotaBytes == 0 ? Self.defaultQuota : status.quotaBytes
        self.isExhausted = isExhausted
    }

    package var gain: UInt64 { bytes - inUse }
    package var gainPercent: Int { Self.percent(gain, of: bytes) }
    package var quotaPercent: Int { Self.percent(bytes, of: quota) }

    /// Whether defragmentation gives back enough: `minimumGain` bytes and `minimumPercent` of the file; half of either when the
    /// file is nearly full, anything when etcd takes no writes.
    package func pays(minimumGain: UInt64, minimumPercent: Int) -> Bool {
        if isExhausted { return true }
        let divisor: UInt64 = quotaPercent >= Self.fullPercent ? 2 : 1
        return gain >= minimumGain / divisor && gainPercent >= minimumPercent / Int(divisor) && gain > 0
    }

    /// `512 MiB, 80 MiB of it in use, 25 % of the quota of 2.0 GiB`.
    package var text: String {
        "\(spoken(bytes)), \(spoken(inUse)) of it in use, \(quotaPercent) % of the quota of \(spoken(quota))"
    }

    func spoken(_ bytes: UInt64) -> String { byteCount(Int64(clamping: bytes)) }

    private static func percent(_ part: UInt64, of whole: UInt64) -> Int {
        whole == 0 ? 0 : Int((Double(part) / Double(whole) * 100).rounded(.down).clamped(to: 0...10_000))
    }
}

extension Comparable {
    fileprivate func clamped(to range: ClosedRange<Self>) -> Self { min(max(self, range.lowerBound), range.upperBound) }
}
