import ClusterModel
import Testing

@testable import ClusterSteps

@Suite("Space in etcd's database")
struct EtcdSpaceTests {
    private func space(_ bytes: UInt64, _ inUse: UInt64, quota: UInt64 = 0, isExhausted: Bool = false) -> EtcdSpace {
        var status = EtcdStatus.Value()
        status.databaseBytes = bytes << 20
        status.databaseInUseBytes = inUse << 20
        status.quotaBytes = quota << 20
        return EtcdSpace(status, isExhausted: isExhausted)
    }

    @Test(
        "defragmentation pays from 100 MiB and 20 percent on, from half of both in a file that is 70 percent full",
        arguments: [
            // size, in use, quota (0: 2 GiB), pays
            (500, 400, 0, true), (500, 401, 0, false), (1000, 850, 0, false), (1000, 800, 0, true), (90, 1, 0, false),
            (0, 0, 0, false), (100, 100, 0, false),
            // Nearly full: 50 MiB and 10 percent.
            (1440, 1290, 0, true), (1440, 1297, 0, false), (1430, 1280, 0, false), (80, 29, 100, true),
            (80, 31, 100, false),
            (60, 5, 100, false),
        ] as [(UInt64, UInt64, UInt64, Bool)]
    )
    func pays(size: UInt64, inUse: UInt64, quota: UInt64, expected: Bool) {
        #expect(space(size, inUse, quota: quota).pays(minimumGain: 100 << 20, minimumPercent: 20) == expected)
        #expect(space(size, inUse, quota: quota, isExhausted: true).pays(minimumGain: 100 << 20, minimumPercent: 20))
    }

    @Test("it is told with its use and its share of the quota, which is 2 GiB when none is set")
    func text() {
        #expect(space(512, 80).text == "512 MiB, 80.0 MiB of it in use, 25 % of the quota of 2.0 GiB")
        #expect(space(100, 100, quota: 8192).quotaPercent == 1)
    }

    @Test("more in use than there is, as between two readings, is no gain")
    func reversed() {
        #expect(space(100, 200).gain == 0 && !space(100, 200).pays(minimumGain: 0, minimumPercent: 0))
    }
}
