package intercomrbac

// NewMemoryDeliveryStoreOf is NewMemoryDeliveryStore for so many keys.
func NewMemoryDeliveryStoreOf(most int) DeliveryStore { return newMemoryDeliveries(most) }

// KnownDeliveries is how many keys, and how many places for them, such a store has.
func KnownDeliveries(s DeliveryStore) (keys, places int) {
	m := s.(*memoryDeliveries)
	return len(m.kept), len(m.queue)
}
