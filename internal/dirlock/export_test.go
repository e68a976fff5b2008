package dirlock

var TryLock = try
