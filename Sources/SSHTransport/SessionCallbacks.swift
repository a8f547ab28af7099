import CLibSSH2
import Glibc

// The C functions libssh2 calls. Each finds its `SessionEdge` behind the session's abstract pointer; the session handle
// keeps that object alive for as long as the session exists.

private func edge(_ abstract: UnsafeMutablePointer<UnsafeMutableRawPointer?>?) -> SessionEdge? {
    guard let pointer = unsafe abstract?.pointee else { return nil }
    return unsafe Unmanaged<SessionEdge>.fromOpaque(pointer).takeUnretainedValue()
}

let receiveCallback: rollbook_ssh2_receive = { _, room, length, _, abstract in
    guard let edge = unsafe edge(abstract), let room = unsafe room else { return -Int(EINVAL) }
    return unsafe edge.receive(UnsafeMutableRawBufferPointer(start: room, count: length))
}

let sendCallback: rollbook_ssh2_send = { _, bytes, length, _, abstract in
    guard let edge = unsafe edge(abstract), let bytes = unsafe bytes else { return -Int(EINVAL) }
    return unsafe edge.send(UnsafeRawBufferPointer(start: bytes, count: length))
}

let disconnectCallback: rollbook_ssh2_disconnect = { _, _, message, length, _, _, abstract in
    guard let edge = unsafe edge(abstract), let message = unsafe message, length > 0 else { return }
    let text = unsafe UnsafeRawBufferPointer(start: message, count: Int(length))
    edge.disconnectText = unsafe String(decoding: text, as: UTF8.self)
}

/// Signs what libssh2 wants signed, or says "not yet" and leaves the request for the session to pass on.
///
/// libssh2 frees the signature with `free`, so it is made with `malloc`. Asking again after EAGAIN is part of the
/// contract: `_libssh2_userauth_publickey` builds the same data anew each time.
let signCallback:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?, UnsafeMutablePointer<Int>?,
        UnsafePointer<UInt8>?, Int, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Int32 = { _, signature, signatureLength, data, length, abstract in
        guard let edge = unsafe edge(abstract), let data = unsafe data, let signature = unsafe signature,
            let signatureLength = unsafe signatureLength
        else { return -1 }
        switch edge.signature {
        case nil:
            edge.signature = .wanted(data: unsafe Array(UnsafeBufferPointer(start: data, count: length)))
            return LIBSSH2_ERROR_EAGAIN
        case .wanted, .underWay:
            return LIBSSH2_ERROR_EAGAIN
        case .refused:
            return -1
        case .made(let bytes):
            edge.signature = nil
            guard let copy = unsafe malloc(bytes.count) else { return -1 }
            unsafe copy.copyMemory(from: bytes, byteCount: bytes.count)
            unsafe signature.pointee = unsafe copy.assumingMemoryBound(to: UInt8.self)
            unsafe signatureLength.pointee = bytes.count
            return 0
        }
    }
